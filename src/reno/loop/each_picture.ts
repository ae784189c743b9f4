/**
 * Values of each picture of a batch. One number for each has the shape [] where there is one picture, and [B,1,1,1] where there are
 * several, so that it broadcasts to noise and pictures alike; both have four axes.
 */
import { concat, reshape, slice, square, sum } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';

/** The shape of one number for each picture. @param like noise or pictures, with the batch as the first axis */
export function numberShape(like: Tensor): Shape {
  const batch = like.dim(0);
  return batch === 1 ? [] : [batch, 1, 1, 1];
}

/** The shape of one picture's part of a state: its length is the state's without the batch. */
export function shapeOfOne({ shape }: Tensor): Shape {
  return shape.length === 0 ? shape : [1, ...shape.slice(1)];
}

/** The sum of the squares of each picture's values. */
export function squaredNorms(x: Tensor): Tensor {
  return x.dim(0) === 1 ? sum(square(x)) : sum(square(x), [1, 2, 3], true);
}

/** Applies a function that takes the values of one picture. */
export function mapPictures(x: Tensor, of: (one: Tensor) => Tensor): Tensor {
  const [batch, ...one] = x.shape;
  if (batch === 1) {
    return of(x);
  }
  const parts = Array.from({ length: x.dim(0) }, (_, i) => of(slice(x, [i, 0, 0, 0], [1, ...one])));
  return concat(parts, 0);
}

/** Numbers of each picture as one tensor: [n] for one picture, [B,n] for several. */
export function numberTable(numbers: readonly Tensor[], like: Tensor): Tensor {
  const batch = like.dim(0);
  const rows = numbers.map((t) => reshape(t, batch === 1 ? [1] : [batch, 1]));
  return concat(rows, batch === 1 ? 0 : 1);
}
