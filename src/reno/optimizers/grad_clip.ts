/** `torch.nn.utils.clip_grad_norm_` for the gradient of each picture's noise. */
import { affine, clamp, mul, type Operand, reciprocal, sqrt } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { squaredNorms } from '../loop/each_picture.ts';
import { scaled } from '../loop/scaled.ts';

/**
 * Scales `grad` so that the 2-norm of each picture's part is at most `maxNorm`: by min(1, maxNorm / (norm + 1e-6)), as torch does.
 * @returns the scaled gradient and the norms before scaling
 */
export function clipGradNorm(grad: Tensor, maxNorm: Operand): { grad: Tensor; norm: Tensor } {
  const norm = sqrt(squaredNorms(grad));
  const factor = clamp(scaled(reciprocal(affine(norm, 1, 1e-6)), maxNorm), 0, 1);
  return { grad: mul(grad, factor), norm };
}
