/** The numbers that variants were named by before they had names: an old name gets an error that says the new one. */

type Names = Readonly<Record<string, string>>;

const BY_ELEMENT: Names = { v1: 'naive', v2: 'vec4' };
const MOVEMENT: Names = { ...BY_ELEMENT, v3: 'vec4_store' };
const ROWS: Names = { v1: 'naive', v2: 'workgroup_per_row', v3: 'cpu_rows' };
const COLUMNS: Names = { v1: 'naive', v2: 'invocation_per_chunk' };
const REDUCTION: Names = { ...COLUMNS, v3: 'workgroup_per_chunk' };
const ATTENTION: Names = { v1: 'naive', v3: 'gpu_tile', v4: 'cpu_rows' };
const GROUP_NORM: Names = { v1: 'naive', v2: 'gpu_two_pass', v3: 'cpu_columns', v4: 'gpu_one_pass' };
const TILES: Names = { v1: 'naive', v2: 'cpu_tile_4x8', v3: 'gpu_tile', v5: 'cpu_tile_32x32' };
const CONVOLUTION: Names = { ...TILES, v6: 'winograd_cpu', v7: 'winograd_gpu' };

/** Names by op. An op that is not listed had the names of BY_ELEMENT, or v1 alone. */
const FORMER: Readonly<Record<string, Names>> = {
  abs_max: REDUCTION,
  attention: ATTENTION,
  attention_backward: ATTENTION,
  concat: { ...BY_ELEMENT, v3: 'one_dispatch' },
  conv2d: CONVOLUTION,
  conv2d_backward_input: CONVOLUTION,
  conv2d_backward_weight: { v1: 'naive', v4: 'cpu_tile_8x32' },
  group_norm: GROUP_NORM,
  group_norm_backward: GROUP_NORM,
  group_norm_backward_gains: COLUMNS,
  l2_normalize: ROWS,
  l2_normalize_backward: ROWS,
  layer_norm: ROWS,
  layer_norm_backward: ROWS,
  layer_norm_backward_gains: COLUMNS,
  layer_norm_linear: { v1: 'separate', v3: 'gpu_tile' },
  matmul: { ...TILES, v6: 'subgroup_matrix', v7: 'packed_panels' },
  max: REDUCTION,
  mean: REDUCTION,
  pad: MOVEMENT,
  rms_norm: ROWS,
  rms_norm_backward: ROWS,
  slice: MOVEMENT,
  softmax: ROWS,
  softmax_backward: ROWS,
  sum: REDUCTION,
  transpose: { ...MOVEMENT, v4: 'tile_4x4' },
};

/** The name now of the variant that an op had under an old name; undefined where that was none. */
export const formerVariant = (op: string, name: string): string | undefined => (FORMER[op] ?? BY_ELEMENT)[name];
