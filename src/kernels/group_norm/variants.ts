/** The variants of GroupNorm and of its gradient to x, in order of preference. A new one is a file and its entries here. */
import type { Variant } from '../../tensor/op.ts';
import { cpuColumns, cpuColumnsBackward } from './cpu_columns.ts';
import { gpuOnePass, gpuOnePassBackward } from './gpu_one_pass.ts';
import { gpuTwoPass, gpuTwoPassBackward } from './gpu_two_pass.ts';
import { naive, naiveBackward } from './naive.ts';
import type { BackwardAttrs, GroupNormAttrs } from './shapes.ts';

export const FORWARD_VARIANTS: readonly Variant<GroupNormAttrs>[] = [cpuColumns, gpuOnePass, gpuTwoPass, naive];

export const BACKWARD_VARIANTS: readonly Variant<BackwardAttrs>[] = [
  cpuColumnsBackward,
  gpuOnePassBackward,
  gpuTwoPassBackward,
  naiveBackward,
];
