/** Which precision a network stores its activations in. */
import { inHalf } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';

export const COMPUTE_DTYPES = ['f32', 'f16'] as const;
/** How activations are stored; arithmetic is f32 in both. */
export type ComputeDType = (typeof COMPUTE_DTYPES)[number];

/** How weights are kept beside such activations: as stored, unless half precision is wanted throughout. */
export function weightStorage(dtype: ComputeDType): 'stored' | 'f16' {
  return dtype === 'f16' ? 'f16' : 'stored';
}

/** `network` on x [any shape, f32], its activations stored as `dtype`; the result is f32. */
export function storedAs(dtype: ComputeDType, x: Tensor, network: (x: Tensor) => Tensor): Tensor {
  return dtype === 'f16' ? inHalf(x, network) : network(x);
}
