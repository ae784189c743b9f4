/** Checkpoints that spell or lay out the same tensors otherwise: renamed, several in one, or transposed. */

import { at } from '../../tensor/types.ts';
import { STORED_BYTES } from './stored_dtype.ts';
import type { RowRange, TensorEntry, TensorFile } from './tensor_file.ts';

/** What a stored tensor, or a part of it, is called here. */
export interface Part {
  /** The replacement of what the pattern matched. */
  readonly as: string;
  /** One of `of` equal groups of rows (first dimension), such as the queries of a fused query-key-value matrix. */
  readonly rows?: { readonly group: number; readonly of: number };
  /** Stored as [I,O] where [O,I] is wanted. */
  readonly transposed?: boolean;
}

/** Wherever `pattern` matches a key, it is replaced, in order: by text, as `String.replace` does, or by parts. */
export type AliasTable = readonly (readonly [
  pattern: RegExp,
  replacement: string | ((matched: string, ...groups: string[]) => string) | readonly Part[],
])[];

/** A tensor under the key that models ask for, and how to get it out of its file. */
export interface View {
  readonly key: string;
  /** Name and dtype as stored, with the view's own shape. */
  readonly entry: TensorEntry;
  readonly rows?: RowRange;
  readonly transposed?: boolean;
}

/** @throws Error, as the end of a sentence about the file, when a tensor has not the shape for its parts */
export function viewsOf(entry: TensorEntry, aliases: AliasTable): View[] {
  return aliases.reduce<View[]>(
    (views, [pattern, by]) => views.flatMap((view) => replaced(view, pattern, by)),
    [{ key: entry.name, entry }],
  );
}

function replaced(view: View, pattern: RegExp, by: AliasTable[number][1]): View[] {
  if (typeof by === 'string') {
    return [{ ...view, key: view.key.replace(pattern, by) }];
  }
  if (typeof by === 'function') {
    return [{ ...view, key: view.key.replace(pattern, by) }];
  }
  return pattern.test(view.key) ? by.map((part) => partOf(view, part, view.key.replace(pattern, part.as))) : [view];
}

function partOf({ entry }: View, { rows, transposed = false }: Part, key: string): View {
  const [all = 1, ...rest] = entry.shape;
  const shown = `tensor ${entry.name} of shape [${entry.shape.join(', ')}]`;
  if (rows) {
    const count = all / rows.of;
    if (!Number.isInteger(count)) {
      throw new Error(`${shown} cannot be taken apart into ${rows.of} equal groups of rows`);
    }
    return { key, entry: { ...entry, shape: [count, ...rest] }, rows: { from: rows.group * count, count } };
  }
  if (transposed && entry.shape.length !== 2) {
    throw new Error(`${shown} should be a matrix`);
  }
  return transposed
    ? { key, entry: { ...entry, shape: [at(entry.shape, 1), at(entry.shape, 0)] }, transposed }
    : { key, entry };
}

/** The view's values, row-major: a part of the rows is read alone, and a transposed matrix is in memory twice. */
export async function readView(file: TensorFile, view: View, part?: RowRange): Promise<Uint8Array<ArrayBuffer>> {
  const { entry, transposed } = view;
  if (part && transposed) {
    throw new Error(`rows of a transposed tensor, ${entry.name}, cannot be read alone`);
  }
  const rows = part ? { from: (view.rows?.from ?? 0) + part.from, count: part.count } : view.rows;
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
