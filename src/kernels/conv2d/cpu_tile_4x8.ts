/**
 * Implicit GEMM on CPU drivers: an invocation holds a tile of 4 pixels x 8 channels in registers (common/narrow_tile_wgsl.ts),
 * and needs neither subgroups nor barriers. It is for few pixels, and for adapters without subgroups of 8.
 */
import { NARROW_COLUMNS, NARROW_ROWS, NARROW_TILE } from '../common/narrow_tile_wgsl.ts';
import { tileVariants } from './implicit_gemm.ts';

const MAIN = /* wgsl */ `
var<private> column: u32;
var<private> results: vec4i;

fn put(r: u32, c: u32, v: vec4f) {
  let at = column + c;
  if (results[r] >= 0 && at < params.cout4) {
    let i = u32(results[r]) * params.cout4 + at;
    store_y(i, v + bias_at(at) + residual_at(i));
  }
}

fn value(source: i32, c: u32) -> f32 {
  return select(0.0, load_x(u32(max(source, 0)) + c), source >= 0);
}

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  column = id.x * 2u;
  if (column >= params.cout4) {
    return;
  }
  let second = min(column + 1u, params.cout4 - 1u);
  let class_y = id.z / params.classes;
  let class_x = id.z % params.classes;
  let p0 = place_of(id.y * 4u);
  let p1 = place_of(id.y * 4u + 1u);
  let p2 = place_of(id.y * 4u + 2u);
  let p3 = place_of(id.y * 4u + 3u);
  let classes = i32(params.classes);
  var sum = Narrow();
  for (var ky = 0u; ky < params.kh; ky++) {
    let dy = offset_of(class_y, ky, params.top);
    if (dy % classes != 0) {
      continue;
    }
    for (var kx = 0u; kx < params.kw; kx++) {
      let dx = offset_of(class_x, kx, params.left);
      if (dx % classes != 0) {
        continue;
      }
      let s0 = source_of(p0, dy / classes, dx / classes);
      let s1 = source_of(p1, dy / classes, dx / classes);
      let s2 = source_of(p2, dy / classes, dx / classes);
      let s3 = source_of(p3, dy / classes, dx / classes);
      let from_w = (ky * params.kw + kx) * params.cin * params.cout4;
      for (var c = 0u; c < params.cin; c++) {
        let x = vec4f(value(s0, c), value(s1, c), value(s2, c), value(s3, c));
        let i = from_w + c * params.cout4;
        sum = narrow_step(sum, x, load_w(i + column), load_w(i + second));
      }
    }
  }
  results = vec4i(
    result_of(p0, class_y, class_x), result_of(p1, class_y, class_x), result_of(p2, class_y, class_x),
    result_of(p3, class_y, class_x),
  );
  put_narrow(sum);
}
`;

export const cpuTile4x8 = tileVariants({
  name: 'cpu_tile_4x8',
  runs: (caps) => caps.software,
  readsTransposed: false,
  kernel: () => ({
    code: NARROW_TILE + MAIN,
    params: { tile: 8 },
    pixels: NARROW_ROWS,
    channels: NARROW_COLUMNS,
    x: ['x', 1],
    w: ['w', 4],
  }),
});
