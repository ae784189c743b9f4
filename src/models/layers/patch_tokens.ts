/**
 * The first layer of vision transformers: a learned class token, then the patches of the picture as tokens.
 * Source: transformers/models/clip/modeling_clip.py: CLIPVisionEmbeddings.
 */
import { add, broadcastTo, cast, concat, matmul, pad, reshape, slice, transpose } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { sizeOf } from '../../tensor/types.ts';
import { asF32 } from './tokens.ts';

interface PatchEmbedding {
  /** Weights [C,I,p,p] of a convolution with stride p; [R,C,I,p,p] for R networks at once. */
  readonly weight: Tensor;
  /** [C]. It is for a single network only. */
  readonly bias?: Tensor;
  /** C values, or R·C for R networks. */
  readonly classToken: Tensor;
  /** Positions [T,C] or [R,T,C], the class token's first. */
  readonly positions: Tensor;
}

/** Pictures [N,H,W,I] → [N, patches, I·p·p]. The values of a patch are in the order of a convolution's weights. */
function patchesOf(pixels: Tensor, p: number): Tensor {
  const [n, channels] = [pixels.dim(0), pixels.dim(3)];
  const [rows, columns] = [Math.floor(pixels.dim(1) / p), Math.floor(pixels.dim(2) / p)];
  const whole = slice(pixels, [0, 0, 0, 0], [n, rows * p, columns * p, channels]);
  const apart = transpose(reshape(whole, [n, rows, p, columns, p, channels]), [0, 1, 3, 5, 2, 4]);
  return reshape(apart, [n, rows * columns, channels * p * p]);
}

/** Pictures [N,H,W,I] → tokens [N,T,C], class token first. For R networks [R·N,T,C], grouped by network. */
export function patchTokens(pixels: Tensor, { weight, bias, classToken, positions }: PatchEmbedding): Tensor {
  const [channels, patch] = [weight.dim(-4), weight.dim(-1)];
  const networks = weight.shape.slice(0, -4);
  const [r, n, tokens] = [sizeOf(networks), pixels.dim(0), positions.dim(-2)];
  // 1. One matmul for all tokens: a patch of zeros reserves the row of the class token.
  const patches = pad(patchesOf(pixels, patch), [0, 1, 0], [0, 0, 0]);
  const kernels = reshape(weight, [...networks, channels, -1]);
  const products = matmul(reshape(patches, [n * tokens, -1]), kernels, { transposeB: true });
  // 2. Add the class token, the bias and the positions.
  const first = reshape(asF32(classToken), [r, 1, channels]);
  const offsets = bias
    ? concat([first, broadcastTo(asF32(bias), [r, tokens - 1, channels])], 1)
    : pad(first, [0, 0, 0], [0, tokens - 1, 0]);
  const learned = cast(add(reshape(asF32(positions), [r, tokens, channels]), offsets), pixels.dtype);
  const sums = add(reshape(products, [r, n, tokens, channels]), reshape(learned, [r, 1, tokens, channels]));
  return reshape(sums, [r * n, tokens, channels]);
}
