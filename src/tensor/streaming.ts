/**
 * Weights that are not in memory for good: the schedule brings each right before the nodes that read it, into a buffer
 * that other values share, and again for later readers. So what the prompt alone needs is gone afterwards.
 */
import type { Node } from './graph.ts';
import type { Tensor } from './tensor.ts';
import type { Stage, TensorType } from './types.ts';
import { at, byteSize } from './types.ts';

/** Smaller weights stay: bringing them would cost a submission and give nothing back. */
const WORTHWHILE = 1 << 16;
/** Readers this many nodes apart share one visit: a layer's forward and backward at the end of a tower. */
const NEAR = 32;

/** A streamed weight in memory, from the first to the last of the nodes that read it this time. */
export interface Visit {
  /** The graph input's key. */
  readonly root: string;
  readonly name: string;
  readonly type: TensorType;
  readonly stage: Stage;
  /** Positions in the order, both inclusive. */
  readonly from: number;
  readonly to: number;
}

/** Inputs of the load stage that may be streamed: what is large enough, and neither a state nor an output (`fixed`, by key). */
export function streamable(order: readonly Node[], fixed: ReadonlySet<string>): Node[] {
  return order.filter(
    (node) =>
      !node.op &&
      !node.data &&
      node.stage === 'load' &&
      !fixed.has(`${node.id}.0`) &&
      byteSize(at(node.outputs, 0)) >= WORTHWHILE,
  );
}

/** Positions of the nodes that read each value, by root. */
export function readers(order: readonly Node[], find: (t: Tensor) => string): Map<string, number[]> {
  const positions = new Map<string, number[]>();
  order.forEach((node, position) => {
    if (node.op && !node.op.isView) {
      for (const root of new Set(node.inputs.map(find))) {
        const list = positions.get(root) ?? [];
        list.push(position);
        positions.set(root, list);
      }
    }
  });
  return positions;
}

/** When the inputs `streamed` come and go. */
export function visits(
  order: readonly Node[],
  uses: ReadonlyMap<string, readonly number[]>,
  streamed: readonly Node[],
): Visit[] {
  return streamed.flatMap((node) => {
    const root = `${node.id}.0`;
    const found: { from: number; to: number; stage: Stage }[] = [];
    for (const position of uses.get(root) ?? []) {
      const { stage } = at(order, position);
      const last = found.at(-1);
      if (last && last.stage === stage && position - last.to <= NEAR) {
        last.to = position;
      } else {
        found.push({ from: position, to: position, stage });
      }
    }
    return found.map((visit) => ({ ...visit, root, name: node.name ?? '', type: at(node.outputs, 0) }));
  });
}
