/**
 * Weights that are not in memory for good: the schedule brings each right before the nodes that read it, into a buffer
 * that other values share, and again for later readers. So what the prompt alone needs is gone afterwards.
 */
import type { Node } from '../graph.ts';
import type { Tensor } from '../tensor.ts';
import type { Stage } from '../types.ts';
import { at, byteSize, laterStage } from '../types.ts';
import type { InputBuffer } from './input_buffers.ts';

/** Smaller weights stay: bringing them would cost a submission and give nothing back. */
const WORTHWHILE = 1 << 16;
/** Readers this many nodes apart share one visit: a layer's forward and backward at the end of a tower. */
const NEAR = 32;

/** A streamed weight in memory, from the first to the last of the nodes that read it this time. */
export interface Visit {
  readonly source: InputBuffer;
  readonly stage: Stage;
  /** Positions in the order, both inclusive. */
  readonly from: number;
  readonly to: number;
}

/** Weights that may be streamed: what is large enough, and neither a state nor an output (`fixed`, by key). */
export function streamable(sources: readonly InputBuffer[], fixed: ReadonlySet<string>): InputBuffer[] {
  return sources.filter(
    ({ node, key, type }) => !node.data && node.stage === 'load' && !fixed.has(key) && byteSize(type) >= WORTHWHILE,
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

/** The last stage that reads a value. */
export function lastStage(order: readonly Node[], uses: ReadonlyMap<string, readonly number[]>, key: string): Stage {
  return (uses.get(key) ?? []).reduce<Stage>((s, i) => laterStage(s, at(order, i).stage), 'load');
}

/** When the weights `streamed` come and go. */
export function visits(
  order: readonly Node[],
  uses: ReadonlyMap<string, readonly number[]>,
  streamed: readonly InputBuffer[],
): Visit[] {
  return streamed.flatMap((source) => {
    const found: { from: number; to: number; stage: Stage }[] = [];
    for (const position of uses.get(source.key) ?? []) {
      const { stage } = at(order, position);
      const last = found.at(-1);
      if (last && last.stage === stage && position - last.to <= NEAR) {
        last.to = position;
      } else {
        found.push({ from: position, to: position, stage });
      }
    }
    return found.map((visit) => ({ ...visit, source }));
  });
}
