/** A tensor times a number that is fixed, or that is an input. */
import { affine, mul, type Operand } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** x·factor: the same product for a number as for a scalar tensor that holds it. */
export const scaled = (x: Tensor, factor: Operand): Tensor =>
  typeof factor === 'number' ? affine(x, factor) : mul(x, factor);
