/** Which graph inputs have a buffer in common. */
import { type Node, outputKey } from '../graph.ts';
import type { TensorType } from '../types.ts';
import { at } from '../types.ts';
import type { Part } from './packed.ts';

/** Graph inputs that lie in one buffer, mostly one alone. */
export interface InputBuffer {
  /** Of the input, or of the node that joins them. */
  readonly key: string;
  readonly node: Node;
  readonly type: TensorType;
  readonly parts: readonly Part[];
}

export function inputBuffers(order: readonly Node[], packs: ReadonlyMap<Node, readonly Part[]>): InputBuffer[] {
  const packed = new Set([...packs.values()].flatMap((parts) => parts.map((part) => part.node)));
  return [...packs.keys(), ...order.filter((n) => !n.op && !packed.has(n))].map((node) => ({
    key: outputKey(node, 0),
    node,
    type: at(node.outputs, 0),
    parts: packs.get(node) ?? [{ node, offset: 0 }],
  }));
}
