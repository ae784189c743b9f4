/** The precision in which a network stores its activations. */
import { inHalf } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';

export const COMPUTE_DTYPES = ['f32', 'f16'] as const;
/** Storage type of activations. Arithmetic is f32 in both. */
export type ComputeDType = (typeof COMPUTE_DTYPES)[number];

/** Returns the storage of the weights beside such activations: f16 beside f16, else as the checkpoint stores them. */
export function weightStorage(dtype: ComputeDType): 'stored' | 'f16' {
  return dtype === 'f16' ? 'f16' : 'stored';
}

/** Runs `network` on x (f32, any shape) with its activations stored as `dtype`. The result is f32. */
export function storedAs(dtype: ComputeDType, x: Tensor, network: (x: Tensor) => Tensor): Tensor {
  return dtype === 'f16' ? inHalf(x, network) : network(x);
}
