/** `torch.nn.utils.clip_grad_norm_` for one tensor. */
import { affine, clamp, mul, type Operand, reciprocal, sqrt, square, sum } from '../kernels/index.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { scaled } from './scaled.ts';

/**
 * Scales `grad` so that its 2-norm is at most `maxNorm`: by min(1, maxNorm / (norm + 1e-6)), as torch does.
 * @returns the scaled gradient and the norm before scaling
 */
export function clipGradNorm(grad: Tensor, maxNorm: Operand): { grad: Tensor; norm: Tensor } {
  const norm = sqrt(sum(square(grad)));
  const factor = clamp(scaled(reciprocal(affine(norm, 1, 1e-6)), maxNorm), 0, 1);
  return { grad: mul(grad, factor), norm };
}
