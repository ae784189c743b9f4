/** Small compositions of ops that products, convolution and attention share. */
import type { Tensor } from '../../tensor/tensor.ts';
import { sizeOf } from '../../tensor/types.ts';
import { gelu, quickGelu, relu, silu } from '../elementwise/unary.ts';
import { sum } from '../reduce/reduce.ts';
import { reshape } from '../reshape.ts';
import { transpose } from '../transpose.ts';

/** Exchanges the last two dimensions. */
export function transposeLast(x: Tensor): Tensor {
  const rank = x.shape.length;
  return transpose(
    x,
    Array.from({ length: rank }, (_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i)),
  );
}

/** Sum over all dimensions but the last. */
export function sumRows(x: Tensor): Tensor {
  const width = x.dim(-1);
  return sum(reshape(x, [sizeOf(x.shape) / width, width]), [0]);
}

/** Activations that follow a product, as ops of their own. */
export type Activation = 'silu' | 'gelu' | 'quick_gelu' | 'relu';

const ACTIVATIONS: Readonly<Record<Activation, (x: Tensor) => Tensor>> = {
  silu,
  gelu: (x) => gelu(x, 'erf'),
  quick_gelu: quickGelu,
  relu,
};

export function activate(x: Tensor, activation: Activation | undefined): Tensor {
  return activation === undefined ? x : ACTIVATIONS[activation](x);
}
