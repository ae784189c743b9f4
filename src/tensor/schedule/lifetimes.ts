/** From where to where in the order of nodes each computed value must be there. */
import { keyOf, type Node, outputKey } from '../graph.ts';
import type { Tensor } from '../tensor.ts';
import type { Stage, TensorType } from '../types.ts';
import { at } from '../types.ts';

export interface Lifetime {
  /** The value's key (`keyOf`); views of it have the same. */
  readonly root: string;
  readonly type: TensorType;
  readonly stage: Stage;
  /** Positions in the order, both inclusive. */
  readonly from: number;
  to: number;
  /** Read by a later stage: it may not share its buffer. */
  kept: boolean;
  /** Made in the forward pass and read in the backward pass. */
  saved: boolean;
}

/** Of each view (reshape), by its key, the key of the value whose buffer it shares. */
export function viewRoots(order: readonly Node[]): Map<string, string> {
  const roots = new Map<string, string>();
  for (const node of order) {
    if (node.op?.isView) {
      const source = keyOf(at(node.inputs, 0));
      roots.set(outputKey(node, 0), roots.get(source) ?? source);
    }
  }
  return roots;
}

/** First definition and last use of each computed value, by key, in the order of their making. */
export function lifetimes(order: readonly Node[], find: (t: Tensor) => string): Map<string, Lifetime> {
  const values = new Map<string, Lifetime>();
  const forward = new Set<string>();
  order.forEach((node, position) => {
    for (const input of node.inputs) {
      const root = find(input);
      const value = values.get(root);
      if (value) {
        value.to = Math.max(value.to, position);
        value.kept ||= value.stage !== node.stage;
        value.saved ||= forward.has(root) && node.backward;
      }
    }
    if (node.op && !node.op.isView) {
      node.outputs.forEach((type, i) => {
        const root = outputKey(node, i);
        values.set(root, {
          root,
          type,
          stage: node.stage,
          from: position,
          to: position,
          kept: false,
          saved: false,
        });
        if (!node.backward) {
          forward.add(root);
        }
      });
    }
  });
  return values;
}
