/**
 * The convolution that models call, lowered to what runs best: a 1x1 is a matrix product, so is one whose windows do not
 * overlap (patch embeddings), and a few output channels (RGB) are padded to the four that vector kernels write.
 */
import type { Tensor } from '../../tensor/tensor.ts';
import type { Activation } from '../common/linalg_basic.ts';
import { activate } from '../common/linalg_basic.ts';
import { matmul } from '../matmul/matmul.ts';
import { reshape } from '../reshape.ts';
import { pad, slice } from '../slice_pad.ts';
import { transpose } from '../transpose.ts';

import { conv2dOp } from './conv2d.ts';
import type { Padding } from './sizes.ts';

export interface Conv2dOptions {
  readonly stride?: number;
  /** Zeros on every side, or [top, bottom, left, right]. Default 0. */
  readonly padding?: number | Padding;
  /** Added to the result; of its shape. */
  readonly residual?: Tensor;
  /** Applied last. */
  readonly activation?: Activation;
}

/**
 * x [N,H,W,Cin], `weight` [Cout,Cin,KH,KW] (PyTorch's layout), bias [Cout] or null → [N,OH,OW,Cout].
 * @throws Error when sizes do not fit.
 */
export function conv2d(x: Tensor, weight: Tensor, bias: Tensor | null, options: Conv2dOptions = {}): Tensor {
  const { stride = 1, padding = 0, residual, activation } = options;
  const sides: Padding = typeof padding === 'number' ? [padding, padding, padding, padding] : padding;
  const [cout, , kh, kw] = [weight.dim(0), weight.dim(1), weight.dim(2), weight.dim(3)];
  const tiles = kh === stride && kw === stride && x.dim(1) % kh === 0 && x.dim(2) % kw === 0;
  if (tiles && sides.every((p) => p === 0)) {
    return overTiles(x, weight, { bias, ...(residual ? { residual } : {}), ...(activation ? { activation } : {}) });
  }
  const taps = transpose(weight, [2, 3, 1, 0]);
  const missing = residual ? 0 : -cout & 3;
  const padded = missing === 0 ? taps : pad(taps, [0, 0, 0, 0], [0, 0, 0, missing]);
  const inputs = [x, padded];
  if (bias) {
    inputs.push(missing === 0 ? bias : pad(bias, [0], [missing]));
  }
  if (residual) {
    inputs.push(residual);
  }
  const y = conv2dOp.one(inputs, { stride, padding: sides, bias: Boolean(bias), residual: Boolean(residual) });
  const kept = missing === 0 ? y : slice(y, [0, 0, 0, 0], [...y.shape.slice(0, 3), cout]);
  return activate(kept, activation);
}

interface Epilogue {
  readonly bias: Tensor | null;
  readonly residual?: Tensor;
  readonly activation?: Activation;
}

/** Windows side by side: each becomes a row of a matrix product. */
function overTiles(x: Tensor, weight: Tensor, epilogue: Epilogue): Tensor {
  const [n, h, w, c] = [x.dim(0), x.dim(1), x.dim(2), x.dim(3)];
  const [cout, kh, kw] = [weight.dim(0), weight.dim(2), weight.dim(3)];
  const size = kh * kw * c;
  // [Cout, rows] as a linear layer has it: its other layout, which the gradient reads, is then the weight itself.
  const matrix = reshape(kh * kw === 1 ? weight : transpose(weight, [0, 2, 3, 1]), [cout, size]);
  const windows = kh * kw === 1 ? x : transpose(reshape(x, [n, h / kh, kh, w / kw, kw, c]), [0, 1, 3, 2, 4, 5]);
  return matmul(reshape(windows, [n, h / kh, w / kw, size]), matrix, { ...epilogue, transposeB: true });
}
