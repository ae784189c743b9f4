/**
 * Nearest upsampling by two and the 3x3 convolution after it, without the large image between them. A pixel of the result
 * reads 2x2 pixels of the small image, one or two taps on each: that is the transposed convolution (the input gradient of a
 * convolution) with a 4x4 kernel of sums of taps, stride 2, padding 1. It multiplies 4/9 as often. The sums are made in
 * the load stage, in f32, and stored as x is: of f16 weights they are exact where the computation is f32.
 */
import type { Tensor } from '../tensor/tensor.ts';
import { transposeLast } from './common/compositions.ts';
import { conv2d, conv2dBackwardInput } from './conv2d/conv2d.ts';
import { add } from './elementwise/binary.ts';
import { matmul } from './matmul/matmul.ts';
import { reshape } from './reshape.ts';
import { transpose } from './transpose.ts';
import { upsampleNearest } from './upsample_nearest.ts';

/**
 * The taps, of 3 in a row, that each of the 4 taps sums. Row 2y of the result reads rows y-1 (tap 3) and y (tap 1); row 2y+1
 * reads rows y (tap 2) and y+1 (tap 0).
 */
const SUMS = [[2], [1, 2], [0, 1], [0]] as const;

/** [16,9]: 1 where the 4x4 tap of that row sums the 3x3 tap of that column. */
const MATRIX: readonly number[] = SUMS.flatMap((ys) =>
  SUMS.flatMap((xs) =>
    Array.from({ length: 9 }, (_, tap) => {
      const [y, x] = [Math.floor(tap / 3), tap % 3];
      return Number(ys.some((k) => k === y) && xs.some((k) => k === x));
    }),
  ),
);

/**
 * x [N,H,W,Cin], `weight` [Cout,Cin,K,K] (PyTorch's layout, K odd), bias [Cout] or null → [N,H·factor,W·factor,Cout]: the
 * convolution, padded by (K-1)/2, of x upsampled.
 */
export function upsampleConv2d(x: Tensor, factor: number, weight: Tensor, bias: Tensor | null): Tensor {
  const [cout, cin, kernel] = [weight.dim(0), weight.dim(1), weight.dim(2)];
  // Vector kernels write four channels at once; a convolution pads to them.
  if (factor !== 2 || kernel !== 3 || cout % 4 !== 0) {
    return conv2d(upsampleNearest(x, factor), weight, bias, { padding: (kernel - 1) / 2 });
  }
  const taps = reshape(transpose(weight, [2, 3, 0, 1]), [9, cout * cin]);
  const sums = matmul(x.graph.constant(MATRIX, [16, 9], x.dtype), taps);
  // [4,4,Cout,Cin] is what the gradient reads.
  const kernel4x4 = transposeLast(reshape(sums, [4, 4, cout, cin]));
  const [height, width] = [2 * x.dim(1), 2 * x.dim(2)];
  const y = conv2dBackwardInput.one([x, kernel4x4], { stride: 2, padding: [1, 1, 1, 1], height, width });
  return bias ? add(y, bias) : y;
}
