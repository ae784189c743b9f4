/** The adjoint of broadcasting. */
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import { sameShape } from '../../tensor/types.ts';
import { sum } from '../reduce/reduce.ts';
import { reshape } from '../reshape.ts';

/** Sums `gradient` over the axes along which a tensor of `shape` was broadcast, and returns it in that shape. */
export function unbroadcast(gradient: Tensor, shape: Shape): Tensor {
  if (sameShape(gradient.shape, shape)) {
    return gradient;
  }
  const lead = gradient.shape.length - shape.length;
  const axes = gradient.shape.flatMap((d, i) => (i < lead || (shape[i - lead] === 1 && d !== 1) ? [i] : []));
  const summed = axes.length > 0 ? sum(gradient, axes) : gradient;
  return reshape(summed, shape);
}
