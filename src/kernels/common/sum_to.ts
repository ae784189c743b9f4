/** The adjoint of broadcasting. */
import { opNamed } from '../../tensor/op.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import { sameShape } from '../../tensor/types.ts';

/** `gradient` summed over the axes along which `shape` was broadcast, and given that shape. */
export function sumTo(gradient: Tensor, shape: Shape): Tensor {
  if (sameShape(gradient.shape, shape)) {
    return gradient;
  }
  const lead = gradient.shape.length - shape.length;
  const axes = gradient.shape.flatMap((d, i) => (i < lead || (shape[i - lead] === 1 && d !== 1) ? [i] : []));
  // By name: sum and reshape are built on the elementwise ops that call this.
  const summed = axes.length > 0 ? opNamed('sum').one([gradient], { axes, keepDims: false }) : gradient;
  return sameShape(summed.shape, shape) ? summed : opNamed('reshape').one([summed], { shape: [...shape] });
}
