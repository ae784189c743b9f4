/**
 * Residency of weights: which weights are in memory all the time, and when the others are.
 * A streamed weight is uploaded right before the nodes that read it, into a shared buffer, and again for later readers.
 * An int8 weight (`weightBits: 8`) stays in memory as int8 values with a scale for each row. It is dequantized to its own type
 * right before the nodes that read it, into a shared buffer, so kernels read what they always read. `plan/rounded_rows.ts`
 * rounds the rows as they are uploaded.
 */
import type { Node } from '../graph.ts';
import type { Stage } from '../types.ts';
import { at, byteSize, sizeOf } from '../types.ts';
import { type InputBuffer, type Int8Storage, int8Storage } from './input_buffers.ts';
import { lastReadStage, type Reads, type ValueKey } from './liveness.ts';

/** A smaller weight is never streamed: its upload would cost a submission and save little. */
const MIN_STREAMED_BYTES = 1 << 16;
/** Readers at most this many nodes apart share one residency: forward and backward of the last layer of a tower. */
const MAX_GAP = 32;
/** A smaller weight is never rounded: each dequantization costs a dispatch. */
const MIN_INT8_ELEMENTS = 1 << 16;
/** Fewest bytes of a weight that may become int8: its elements in f16. */
export const MIN_INT8_WEIGHT_BYTES = MIN_INT8_ELEMENTS * 2;

/** An interval during which a weight is in a shared buffer. */
export interface Residency {
  readonly weight: InputBuffer;
  readonly stage: Stage;
  /** Positions of the first and the last node that reads it. */
  readonly from: number;
  readonly to: number;
}

/** Returns the weights that may be streamed: large ones that are neither a state nor an output. @param fixed keys of those */
export function streamableWeights(inputs: readonly InputBuffer[], fixed: ReadonlySet<string>): InputBuffer[] {
  return inputs.filter(
    ({ node, key, type }) =>
      !node.data && node.stage === 'load' && !fixed.has(key) && byteSize(type) >= MIN_STREAMED_BYTES,
  );
}

/** Returns the residencies of `weights`, weight by weight. */
export function residencies(order: readonly Node[], reads: Reads, weights: readonly InputBuffer[]): Residency[] {
  return weights.flatMap((weight) => {
    const found: { from: number; to: number; stage: Stage }[] = [];
    for (const position of reads.get(weight.key) ?? []) {
      const { stage } = at(order, position);
      const last = found.at(-1);
      if (last && last.stage === stage && position - last.to <= MAX_GAP) {
        last.to = position;
      } else {
        found.push({ from: position, to: position, stage });
      }
    }
    return found.map((interval) => ({ ...interval, weight }));
  });
}

/** Int8 weights by their keys. */
export type Int8Weights = ReadonlyMap<string, Int8Storage>;

/** Chooses, among `weights`, those to store as int8: the large ones that only products and convolutions of the step read. */
export function int8Weights(
  weights: readonly InputBuffer[],
  order: readonly Node[],
  reads: Reads,
  valueKey: ValueKey,
): Int8Weights {
  const chosen = new Map<string, Int8Storage>();
  for (const weight of weights.filter(({ type }) => sizeOf(type.shape) >= MIN_INT8_ELEMENTS)) {
    const readers = (reads.get(weight.key) ?? []).map((i) => at(order, i));
    const multiplied = readers.every((node) => multiplies(node, weight.key, valueKey));
    const storage = multiplied && lastReadStage(order, reads, weight.key) === 'step' ? int8Storage(weight) : null;
    if (storage) {
      chosen.set(weight.key, storage);
    }
  }
  return chosen;
}

/** Whether a node reads a value as the weight of a product or convolution, or only to transpose it. */
function multiplies(node: Node, key: string, valueKey: ValueKey): boolean {
  const op = node.op?.inner?.op ?? node.op;
  return node.inputs.every(
    (t, i) => valueKey(t) !== key || Boolean(op?.permutation || op?.fusesPair || op?.readTransposed?.(node.attrs, i)),
  );
}
