/** Helpers for token sequences [B,T,C]. */
import { add, cast, slice } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** Casts to f32. Weights may be stored as f16, but concatenation and addition need the type of the activations. */
export function asF32(x: Tensor): Tensor {
  return x.dtype === 'f32' ? x : cast(x, 'f32');
}

/** Returns the first token of every sequence, [B,T,C] → [B,1,C]. */
export function firstToken(x: Tensor): Tensor {
  return slice(x, [0, 0, 0], [x.dim(0), 1, x.dim(2)]);
}

/** Adds learned positions [P,C] to `x` [B,T,C]. @throws Error when there are fewer positions than tokens */
export function addPositions(x: Tensor, table: Tensor): Tensor {
  const [tokens, positions] = [x.dim(1), table.dim(0)];
  if (tokens > positions) {
    throw new Error(`${tokens} tokens, but the model has ${positions} positions`);
  }
  return add(x, tokens === positions ? table : slice(asF32(table), [0, 0], [tokens, table.dim(1)]));
}
