/** The basic ops that the rules of matmul, convolution and attention need, looked up when they are called. */
import { opNamed } from '../../tensor/op.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import { sameShape, sizeOf } from '../../tensor/types.ts';

export function reshape(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : opNamed('reshape').one([x], { shape });
}

export function transpose(x: Tensor, permutation: readonly number[]): Tensor {
  return opNamed('transpose').one([x], { permutation });
}

/** Exchanges the last two dimensions; twice gives the first tensor back, so that a weight is stored once a layout. */
export function swapLast(x: Tensor): Tensor {
  const rank = x.shape.length;
  const permutation = Array.from({ length: rank }, (_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i));
  const { op, attrs, inputs } = x.node;
  const [source] = inputs;
  if (op?.name === 'transpose' && source && JSON.stringify(attrs.permutation) === JSON.stringify(permutation)) {
    return source;
  }
  return transpose(x, permutation);
}

/** Sums `x` over what broadcasting from `shape` had repeated. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  const lead = x.shape.length - shape.length;
  const axes = x.shape.flatMap((d, i) => (i < lead || (shape[i - lead] === 1 && d !== 1) ? [i] : []));
  return axes.length === 0 ? x : reshape(opNamed('sum').one([x], { axes, keepDims: false }), shape);
}

/** Sum over all dimensions but the last. */
export function sumRows(x: Tensor): Tensor {
  const width = x.dim(-1);
  const rows = reshape(x, [sizeOf(x.shape) / width, width]);
  return opNamed('sum').one([rows], { axes: [0], keepDims: false });
}

/** An activation by the name the wrappers take; the op of that name. */
export type Activation = 'silu' | 'gelu' | 'quick_gelu' | 'relu';

/** `approximate` as torch spells it; C's gelu reads it, the others have no attributes. */
export function activate(x: Tensor, activation: Activation | undefined): Tensor {
  if (activation === undefined) {
    return x;
  }
  return opNamed(activation).one([x], activation === 'gelu' ? { approximate: 'erf' } : {});
}
