/**
 * Implicit GEMM on CPU drivers with subgroups of 8: a workgroup is one subgroup and computes a tile of 32 pixels x 32 channels.
 * A lane holds 4 channels of all 32 pixels in registers; the pixels' values reach it by broadcast, so that every load
 * serves 32 rows or 32 columns (common/wide_tile_wgsl.ts). Channels of the source must be a multiple of 4.
 */
import { hasSubgroupTile } from '../common/subgroup_tile.ts';
import { WIDE_COLUMNS, WIDE_ROWS, wideTile } from '../common/wide_tile_wgsl.ts';
import { tileVariants } from './implicit_gemm.ts';

const MAIN = /* wgsl */ `
var<private> column: u32;
var<private> results: vec4i;

/** Row r of the tile is a pixel whose index lane r % 8 knows. */
fn put(r: u32, v: vec4f) {
  let result = subgroupShuffle(results[r / 8u], r % 8u);
  if (result >= 0 && column < params.cout4) {
    let i = u32(result) * params.cout4 + column;
    store_y(i, v + bias_at(column) + residual_at(i));
  }
}

fn value(source: i32, c: u32) -> vec4f {
  return select(vec4f(), load_x(u32(max(source, 0)) / 4u + c), source >= 0);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  column = group.x * 8u + lane;
  let column_b = min(column, params.cout4 - 1u);
  let cin4 = params.cin / 4u;
  let class_y = group.z / params.classes;
  let class_x = group.z % params.classes;
  let pixel = group.y * 32u + lane;
  let p0 = place_of(pixel);
  let p1 = place_of(pixel + 8u);
  let p2 = place_of(pixel + 16u);
  let p3 = place_of(pixel + 24u);
  let classes = i32(params.classes);
  var sum = Wide();
  for (var tap = 0u; tap < params.kh * params.kw; tap++) {
    let dy = offset_of(class_y, tap / params.kw, params.top);
    let dx = offset_of(class_x, tap % params.kw, params.left);
    if (dy % classes != 0 || dx % classes != 0) {
      continue;
    }
    let s0 = source_of(p0, dy / classes, dx / classes);
    let s1 = source_of(p1, dy / classes, dx / classes);
    let s2 = source_of(p2, dy / classes, dx / classes);
    let s3 = source_of(p3, dy / classes, dx / classes);
    let from_w = tap * params.cin * params.cout4;
    for (var c = 0u; c < cin4; c++) {
      let a = Lanes(value(s0, c), value(s1, c), value(s2, c), value(s3, c));
      sum = wide_step(sum, a, steps_b(from_w, c, column_b, cin4, params.cout4));
    }
  }
  results = vec4i(
    result_of(p0, class_y, class_x), result_of(p1, class_y, class_x), result_of(p2, class_y, class_x),
    result_of(p3, class_y, class_x),
  );
  put_wide(sum, params.images * params.gridHeight * params.gridWidth - group.y * 32u);
}
`;

export const cpuTile32x32 = tileVariants({
  name: 'cpu_tile_32x32',
  runs: hasSubgroupTile,
  fits: ({ cin, pixels }) => cin % 4 === 0 && pixels >= WIDE_ROWS / 2,
  readsTransposed: true,
  kernel: ({ transposeWeight }) => ({
    code: wideTile(transposeWeight) + MAIN,
    params: { tile: WIDE_ROWS },
    pixels: WIDE_ROWS,
    channels: WIDE_COLUMNS,
    x: ['x', 4],
    w: ['b', 4],
  }),
});
