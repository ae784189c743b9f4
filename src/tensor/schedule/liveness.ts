/** The order in which nodes run, and the positions in it at which each value is made and read. */
import { keyOf, type Node, outputKey } from '../graph.ts';
import type { Tensor } from '../tensor.ts';
import type { Stage, TensorType } from '../types.ts';
import { append, at, laterStage, STAGES } from '../types.ts';

/**
 * Returns `roots` and all nodes they depend on, stage by stage, each after its inputs and as late as the first reader allows.
 * So one reward runs forward and backward before the next begins, and frees its activations first.
 */
export function executionOrder(roots: readonly Node[]): Node[] {
  const done = new Set<Node>();
  const order: Node[] = [];
  const stack: { readonly node: Node; next: number }[] = [];
  for (const root of roots) {
    stack.push({ node: root, next: 0 });
    while (stack.length > 0) {
      const top = at(stack, stack.length - 1);
      const input = top.node.inputs[top.next]?.node;
      top.next++;
      if (done.has(top.node)) {
        stack.pop();
      } else if (input) {
        stack.push({ node: input, next: 0 });
      } else {
        done.add(top.node);
        order.push(top.node);
        stack.pop();
      }
    }
  }
  return STAGES.flatMap((stage) => order.filter((node) => node.stage === stage));
}

/** Gives the key of the value whose buffer a tensor lies in. */
export type ValueKey = (t: Tensor) => string;

/** Returns the `ValueKey` of an order: a view (reshape) lies in the buffer of its source, any other tensor in its own. */
export function valueKeys(order: readonly Node[]): ValueKey {
  const sources = new Map<string, string>();
  for (const node of order) {
    if (node.op?.isView) {
      const source = keyOf(at(node.inputs, 0));
      sources.set(outputKey(node, 0), sources.get(source) ?? source);
    }
  }
  return (t) => sources.get(keyOf(t)) ?? keyOf(t);
}

/** A computed value, and the positions between which it must be in memory. */
export interface LiveInterval {
  readonly key: string;
  readonly type: TensorType;
  readonly stage: Stage;
  /** First and last position in the order. */
  readonly from: number;
  to: number;
  /** A later stage reads it, so it cannot share a buffer. */
  crossesStages: boolean;
  /** The forward pass computes it and the backward pass reads it. */
  saved: boolean;
}

/** Returns the liveness interval of each computed value, in the order of computation. */
export function liveIntervals(order: readonly Node[], valueKey: ValueKey): LiveInterval[] {
  const values = new Map<string, LiveInterval>();
  const forward = new Set<string>();
  order.forEach((node, position) => {
    for (const input of node.inputs) {
      const key = valueKey(input);
      const value = values.get(key);
      if (value) {
        value.to = Math.max(value.to, position);
        value.crossesStages ||= value.stage !== node.stage;
        value.saved ||= forward.has(key) && node.backward;
      }
    }
    if (node.op && !node.op.isView) {
      const { stage } = node;
      node.outputs.forEach((type, i) => {
        const key = outputKey(node, i);
        values.set(key, { key, type, stage, from: position, to: position, crossesStages: false, saved: false });
        if (!node.backward) {
          forward.add(key);
        }
      });
    }
  });
  return [...values.values()];
}

/** The positions of the nodes that read each value, by the value's key. */
export type Reads = ReadonlyMap<string, readonly number[]>;

/** Returns the positions at which kernels read each value. Views run no kernel, so they do not count. */
export function readPositions(order: readonly Node[], valueKey: ValueKey): Reads {
  const reads = new Map<string, number[]>();
  order.forEach((node, position) => {
    if (node.op && !node.op.isView) {
      for (const key of new Set(node.inputs.map(valueKey))) {
        append(reads, key, position);
      }
    }
  });
  return reads;
}

/** Returns the last stage that reads a value; `load` when none does. */
export function lastReadStage(order: readonly Node[], reads: Reads, key: string): Stage {
  return (reads.get(key) ?? []).reduce<Stage>((s, i) => laterStage(s, at(order, i).stage), 'load');
}
