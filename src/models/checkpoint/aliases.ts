/** Translates the keys of checkpoints that store the same tensors differently: renamed, packed into one, or transposed. */

import { at } from '../../tensor/types.ts';
import { STORED_BYTES } from './stored_dtype.ts';
import type { RowRange, TensorEntry, TensorFile } from './tensor_file.ts';

/** The key here of a stored tensor, or of some rows of it. */
export interface AliasTarget {
  /** The replacement of the matched text. */
  readonly as: string;
  /** The `group`-th of `of` equal groups of rows (first dimension), such as the queries of a packed query-key-value matrix. */
  readonly rows?: { readonly group: number; readonly of: number };
  /** The file stores [I,O] where models need [O,I]. */
  readonly transposed?: boolean;
}

/** Rules in order: text that matches `pattern` in a key is replaced by text, as `String.replace` does, or by several targets. */
export type AliasTable = readonly (readonly [
  pattern: RegExp,
  replacement: string | ((matched: string, ...groups: string[]) => string) | readonly AliasTarget[],
])[];

/** A tensor under the key that models request, and how to read it from its file. */
export interface TensorView {
  readonly key: string;
  /** The stored name and dtype, with the view's own shape. */
  readonly entry: TensorEntry;
  readonly rows?: RowRange;
  readonly transposed?: boolean;
}

/**
 * Returns the views of a stored tensor: one, or several where an alias splits it.
 * @throws Error, as the end of a sentence about the file, when the tensor's shape does not fit its aliases
 */
export function viewsOf(entry: TensorEntry, aliases: AliasTable): TensorView[] {
  return aliases.reduce<TensorView[]>(
    (views, [pattern, replacement]) => views.flatMap((view) => replaced(view, pattern, replacement)),
    [{ key: entry.name, entry }],
  );
}

function replaced(view: TensorView, pattern: RegExp, replacement: AliasTable[number][1]): TensorView[] {
  if (typeof replacement === 'string') {
    return [{ ...view, key: view.key.replace(pattern, replacement) }];
  }
  if (typeof replacement === 'function') {
    return [{ ...view, key: view.key.replace(pattern, replacement) }];
  }
  return pattern.test(view.key)
    ? replacement.map((target) => targetView(view, target, view.key.replace(pattern, target.as)))
    : [view];
}

function targetView({ entry }: TensorView, { rows, transposed = false }: AliasTarget, key: string): TensorView {
  const [all = 1, ...rest] = entry.shape;
  const tensor = `tensor ${entry.name} of shape [${entry.shape.join(', ')}]`;
  if (rows) {
    const count = all / rows.of;
    if (!Number.isInteger(count)) {
      throw new Error(`${tensor} cannot be split into ${rows.of} equal groups of rows`);
    }
    return { key, entry: { ...entry, shape: [count, ...rest] }, rows: { from: rows.group * count, count } };
  }
  if (transposed && entry.shape.length !== 2) {
    throw new Error(`${tensor} must be a matrix to be transposed`);
  }
  return transposed
    ? { key, entry: { ...entry, shape: [at(entry.shape, 1), at(entry.shape, 0)] }, transposed }
    : { key, entry };
}

/**
 * Reads the view's values, row-major. A transposed matrix is in memory twice.
 * @param range the rows to read. Default: all. Not for transposed tensors
 */
export async function readView(file: TensorFile, view: TensorView, range?: RowRange): Promise<Uint8Array<ArrayBuffer>> {
  const { entry, transposed } = view;
  if (range && transposed) {
    throw new Error(`rows of a transposed tensor, ${entry.name}, cannot be read alone`);
  }
  const rows = range ? { from: (view.rows?.from ?? 0) + range.from, count: range.count } : view.rows;
  const bytes = await file.read(entry.name, rows);
  return transposed ? transpose(bytes, at(entry.shape, 1), at(entry.shape, 0), STORED_BYTES[entry.dtype]) : bytes;
}

/** [R,C] → [C,R]. */
function transpose(bytes: Uint8Array, rows: number, columns: number, itemBytes: number): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(bytes.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const [from, to] = [(r * columns + c) * itemBytes, (c * rows + r) * itemBytes];
      for (let i = 0; i < itemBytes; i++) {
        result[to + i] = bytes[from + i] ?? 0;
      }
    }
  }
  return result;
}
