/**
 * Weights that are read as one: where the load stage only lays graph inputs end to end (q, k and v of a block as one matrix),
 * they get one buffer and each is a range of it, filled in place. Nothing runs, and nothing is in memory twice.
 */
import { type Node, outputKey, siteOf } from '../graph.ts';
import type { Tensor } from '../tensor.ts';
import { at, byteSize, bytesPerElement, sizeOf } from '../types.ts';

/** A graph input within a joined buffer, from byte `offset` on. */
export interface Part {
  readonly node: Node;
  readonly offset: number;
}

/**
 * The joins of `order` that need no dispatch, with what lies in their buffers. A join is left as it is, and runs, where one
 * of its parts is no graph input, is read by others as well (it needs a buffer of its own then) or does not end on a whole word.
 * @param find the value that a tensor shows: views (reshape) show another's
 * @param roots values that must have a buffer of their own if they are graph inputs
 */
export function packsOf(
  order: readonly Node[],
  find: (t: Tensor) => string,
  roots: ReadonlySet<string>,
): Map<Node, readonly Part[]> {
  const inputs = new Map(order.filter((n) => !n.op && !n.data && n.stage === 'load').map((n) => [outputKey(n, 0), n]));
  const reads = new Map<string, number>();
  for (const node of order.filter((n) => n.op && !n.op.isView)) {
    for (const t of node.inputs) {
      reads.set(find(t), (reads.get(find(t)) ?? 0) + 1);
    }
  }
  const alone = (key: string): boolean => reads.get(key) === 1 && !roots.has(key);
  const packs = new Map<Node, readonly Part[]>();
  for (const node of order.filter(isJoin)) {
    let offset = 0;
    const parts = node.inputs.flatMap((t): Part[] => {
      const input = inputs.get(find(t));
      const fits = alone(find(t)) && byteSize(t.type) === sizeOf(t.shape) * bytesPerElement(t.dtype);
      const from = offset;
      offset += byteSize(t.type);
      return input && fits ? [{ node: input, offset: from }] : [];
    });
    if (parts.length === node.inputs.length) {
      packs.set(node, parts);
    }
  }
  return packs;
}

/** Whether a node of the load stage only lays its inputs end to end. */
export function isJoin(node: Node): boolean {
  const site = siteOf(node);
  const dtype = at(node.outputs, 0).dtype;
  return (
    node.stage === 'load' && Boolean(node.op?.isConcatenation?.(site)) && node.inputs.every((t) => t.dtype === dtype)
  );
}
