/** How vision transformers begin: patches of the picture as tokens, behind a learned class token. */
import { add, broadcastTo, cast, concat, matmul, pad, reshape, slice, transpose } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { sizeOf } from '../../tensor/types.ts';
import { asF32 } from './tokens.ts';

export interface PatchEmbedding {
  /** [C,I,p,p], as of a convolution that moves by whole patches; or [R,C,I,p,p] for R networks at once. */
  readonly weight: Tensor;
  /** [C]; one network's only. */
  readonly bias?: Tensor;
  /** C values, or R·C. */
  readonly classToken: Tensor;
  /** [T,C] or [R,T,C], the class token's first. */
  readonly positions: Tensor;
}

/** Pictures [N,H,W,I] → [N, patches, I·p·p], each patch in the order of a convolution's weights. */
function patchesOf(pixels: Tensor, p: number): Tensor {
  const [n, channels] = [pixels.dim(0), pixels.dim(3)];
  const [rows, columns] = [Math.floor(pixels.dim(1) / p), Math.floor(pixels.dim(2) / p)];
  const whole = slice(pixels, [0, 0, 0, 0], [n, rows * p, columns * p, channels]);
  const apart = transpose(reshape(whole, [n, rows, p, columns, p, channels]), [0, 1, 3, 5, 2, 4]);
  return reshape(apart, [n, rows * columns, channels * p * p]);
}

/** Pictures [N,H,W,I] → tokens [N,T,C], class token first; of R networks [R·N,T,C], one network's after another's. */
export function patchTokens(pixels: Tensor, { weight, bias, classToken, positions }: PatchEmbedding): Tensor {
  const [channels, patch] = [weight.dim(-4), weight.dim(-1)];
  const networks = weight.shape.slice(0, -4);
  const [r, n, tokens] = [sizeOf(networks), pixels.dim(0), positions.dim(-2)];
  // A patch of zeros stands where the class token goes, which comes with the positions: one product makes all tokens.
  const patches = pad(patchesOf(pixels, patch), [0, 1, 0], [0, 0, 0]);
  const kernels = reshape(weight, [...networks, channels, -1]);
  const products = matmul(reshape(patches, [n * tokens, -1]), kernels, { transposeB: true });
  const first = reshape(asF32(classToken), [r, 1, channels]);
  const offsets = bias
    ? concat([first, broadcastTo(asF32(bias), [r, tokens - 1, channels])], 1)
    : pad(first, [0, 0, 0], [0, tokens - 1, 0]);
  const learned = cast(add(reshape(asF32(positions), [r, tokens, channels]), offsets), pixels.dtype);
  const sums = add(reshape(products, [r, n, tokens, channels]), reshape(learned, [r, 1, tokens, channels]));
  return reshape(sums, [r * n, tokens, channels]);
}
