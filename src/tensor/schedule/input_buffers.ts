/**
 * The buffers of graph inputs, and the form in which they store the inputs. Weights that the load stage only concatenates (q, k
 * and v of a block as one matrix) share one buffer, and each is uploaded to its range of it. So the concatenation runs no kernel
 * and takes no memory of its own.
 */
import { type Node, outputKey, siteOf } from '../graph.ts';
import type { TensorType } from '../types.ts';
import { at, byteSize, bytesPerElement, sizeOf } from '../types.ts';
import { aligned } from './allocation.ts';
import type { ValueKey } from './liveness.ts';
import type { InputSpec } from './schedule.ts';

/** A buffer that holds one graph input, or the concatenation of several. */
export interface InputBuffer {
  /** Key of the input, or of the concatenation. */
  readonly key: string;
  /** The input, or the node that concatenates. */
  readonly node: Node;
  readonly type: TensorType;
  readonly ranges: readonly InputRange[];
}

/** A graph input in a buffer, from byte `offset` on. */
export interface InputRange {
  readonly node: Node;
  readonly offset: number;
}

/** Returns the buffer of each graph input in `order`. @param concatenated the ranges of each concatenation */
export function inputBuffers(
  order: readonly Node[],
  concatenated: ReadonlyMap<Node, readonly InputRange[]>,
): InputBuffer[] {
  const members = new Set([...concatenated.values()].flatMap((ranges) => ranges.map(({ node }) => node)));
  return [...concatenated.keys(), ...order.filter((n) => !n.op && !members.has(n))].map((node) => ({
    key: outputKey(node, 0),
    node,
    type: at(node.outputs, 0),
    ranges: concatenated.get(node) ?? [{ node, offset: 0 }],
  }));
}

/**
 * Returns the concatenations of `order` that need no kernel, with the ranges of their inputs. A concatenation runs as a kernel
 * where one of its inputs is no graph input, is read by another node as well or does not end on a whole word.
 * @param fixed keys of values that need a dedicated buffer
 */
export function concatenatedInputs(
  order: readonly Node[],
  valueKey: ValueKey,
  fixed: ReadonlySet<string>,
): Map<Node, readonly InputRange[]> {
  const inputs = new Map(order.filter((n) => !n.op && !n.data && n.stage === 'load').map((n) => [outputKey(n, 0), n]));
  const reads = new Map<string, number>();
  for (const node of order.filter((n) => n.op && !n.op.isView)) {
    for (const t of node.inputs) {
      reads.set(valueKey(t), (reads.get(valueKey(t)) ?? 0) + 1);
    }
  }
  const found = new Map<Node, readonly InputRange[]>();
  for (const node of order.filter(isConcatenation)) {
    let end = 0;
    const ranges = node.inputs.flatMap((t): InputRange[] => {
      const key = valueKey(t);
      const input = inputs.get(key);
      const wholeWords = byteSize(t.type) === sizeOf(t.shape) * bytesPerElement(t.dtype);
      const offset = end;
      end += byteSize(t.type);
      return input && wholeWords && reads.get(key) === 1 && !fixed.has(key) ? [{ node: input, offset }] : [];
    });
    if (ranges.length === node.inputs.length) {
      found.set(node, ranges);
    }
  }
  return found;
}

/** Whether a node of the load stage only lays its inputs end to end in memory. */
export function isConcatenation(node: Node): boolean {
  const site = siteOf(node);
  const { dtype } = at(node.outputs, 0);
  return (
    node.stage === 'load' && Boolean(node.op?.isConcatenation?.(site)) && node.inputs.every((t) => t.dtype === dtype)
  );
}

/** Returns the type that the caller writes into a graph input, whatever its stored layout. */
function writtenType({ storedLayout, outputs }: Node): TensorType {
  const type = at(outputs, 0);
  return storedLayout
    ? { ...type, shape: storedLayout.map((_, axis) => at(type.shape, storedLayout.indexOf(axis))) }
    : type;
}

/** Returns the type that the caller writes into a graph input, and the layout it is stored in. */
export const writtenForm = (input: Node): Pick<InputSpec, 'type' | 'storedLayout'> => ({
  type: writtenType(input),
  ...(input.storedLayout ? { storedLayout: input.storedLayout } : {}),
});

/** A buffer of int8 values, and behind them the f32 scales of its rows. */
export interface Int8Storage {
  readonly bytes: number;
  /** First byte of the scales. */
  readonly scales: number;
  /** Element i in memory belongs to row ⌊i / inner⌋ mod rows. */
  readonly rows: number;
  readonly inner: number;
}

/** Returns the int8 storage of a weight; null where its rows do not fill whole words in memory. */
export function int8Storage({ type, ranges }: InputBuffer): Int8Storage | null {
  const all = ranges.map(({ node }) => rowsOf(node));
  const { inner } = at(all, 0);
  // A row in several blocks is found by its number within the block, which would differ from range to range.
  const fits =
    inner % 4 === 0 &&
    all.every((rows) => rows.inner === inner && (rows.outer === 1 || all.length === 1)) &&
    ranges.every(({ node }) => at(node.outputs, 0).shape.length > 1);
  const rows = all.reduce((n, range) => n + range.rows, 0);
  const scales = aligned(sizeOf(type.shape));
  return fits && type.dtype !== 'i32' ? { bytes: scales + rows * 4, scales, rows, inner } : null;
}

/** Returns how the rows that the caller writes lie in memory: each as `inner` elements in each of `outer` blocks. */
function rowsOf({ storedLayout, outputs }: Node): { outer: number; rows: number; inner: number } {
  const { shape } = at(outputs, 0);
  const axis = storedLayout?.indexOf(0) ?? 0;
  return { outer: sizeOf(shape.slice(0, axis)), rows: at(shape, axis), inner: sizeOf(shape.slice(axis + 1)) };
}

/** Returns the first byte of the values and of the scales of an input that begins at byte `offset` of the unrounded weight. */
export function int8Offsets(
  { scales, inner }: Int8Storage,
  { dtype }: TensorType,
  offset: number,
): { offset: number; scales: number } {
  const first = offset / bytesPerElement(dtype);
  return { offset: first, scales: scales + (first / inner) * 4 };
}
