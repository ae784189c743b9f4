/**
 * The two ops that differentiation itself needs, whatever the graph holds. src/kernels defines them, above this layer, and
 * hands them over when it is imported.
 */
import type { Tensor } from './tensor.ts';
import type { DType } from './types.ts';

export interface CotangentOps {
  /** Sums the cotangents that two readers of a value give it. */
  readonly add: (a: Tensor, b: Tensor) => Tensor;
  readonly cast: (x: Tensor, dtype: DType) => Tensor;
}

function missing(): never {
  throw new Error('gradients need the ops of src/kernels/index.ts: import it first');
}

let given: CotangentOps = { add: missing, cast: missing };

export function giveCotangentOps(ops: Partial<CotangentOps>): void {
  given = { ...given, ...ops };
}

/** The ops that src/kernels gave; a missing one throws when it is called. */
export const cotangentOps = (): CotangentOps => given;
