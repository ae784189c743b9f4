/** The variants of attention and of its gradients, in order of preference. A new one is a file and its entries here. */
import type { Variant } from '../../tensor/op.ts';
import { cpuRows } from './cpu_rows.ts';
import { cpuRowsBackward } from './cpu_rows_backward.ts';
import { gpuTile } from './gpu_tile.ts';
import { gpuTileBackward } from './gpu_tile_backward.ts';
import { naive, naiveBackward } from './naive.ts';
import type { AttentionAttrs, BackwardAttrs } from './shapes.ts';
import { subgroupMatrix } from './subgroup_matrix.ts';
import { subgroupMatrixBackward } from './subgroup_matrix_backward.ts';
import { subgroupMatrixSplit, subgroupMatrixSplitBackward } from './subgroup_matrix_split.ts';

export const FORWARD_VARIANTS: readonly Variant<AttentionAttrs>[] = [
  subgroupMatrix,
  subgroupMatrixSplit,
  cpuRows,
  gpuTile,
  naive,
];

export const BACKWARD_VARIANTS: readonly Variant<BackwardAttrs>[] = [
  subgroupMatrixBackward,
  subgroupMatrixSplitBackward,
  cpuRowsBackward,
  gpuTileBackward,
  naiveBackward,
];
