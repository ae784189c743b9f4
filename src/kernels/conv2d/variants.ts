/** The variants of convolution and its gradients, in order of preference. A new one is a file and an entry here. */
import type { Variant } from '../../tensor/op.ts';
import { cpuTile4x8 } from './cpu_tile_4x8.ts';
import { cpuTile8x32 } from './cpu_tile_8x32.ts';
import { cpuTile32x32 } from './cpu_tile_32x32.ts';
import { gpuTile } from './gpu_tile.ts';
import { naive } from './naive.ts';
import type { BackwardInputAttrs, BackwardWeightAttrs, Conv2dAttrs } from './shapes.ts';
import { subgroupMatrix, subgroupMatrixSplit } from './subgroup_matrix.ts';
import { winogradCpu } from './winograd_cpu.ts';
import { winogradGpu } from './winograd_gpu.ts';

const VARIANTS = [
  subgroupMatrix,
  subgroupMatrixSplit,
  winogradCpu,
  cpuTile32x32,
  cpuTile4x8,
  gpuTile,
  winogradGpu,
  naive,
];

export const FORWARD_VARIANTS: readonly Variant<Conv2dAttrs>[] = VARIANTS.map(({ forward }) => forward);
export const BACKWARD_INPUT_VARIANTS: readonly Variant<BackwardInputAttrs>[] = VARIANTS.map(
  ({ backwardInput }) => backwardInput,
);
export const BACKWARD_WEIGHT_VARIANTS: readonly Variant<BackwardWeightAttrs>[] = [cpuTile8x32, naive.backwardWeight];
