/**
 * The buffers of graph inputs. Weights that the load stage only concatenates (q, k and v of a block as one matrix) share one
 * buffer, and each is uploaded to its range of it. So the concatenation runs no kernel and takes no memory of its own.
 */
import { type Node, outputKey, siteOf } from '../graph.ts';
import type { TensorType } from '../types.ts';
import { at, byteSize, bytesPerElement, sizeOf } from '../types.ts';
import type { ValueKey } from './liveness.ts';

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
