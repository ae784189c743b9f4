/**
 * Implicit GEMM on GPUs: a workgroup computes a tile of 64 or 128 pixels x 64 channels, with both operands staged through
 * workgroup memory, 16 channels of one tap at a time, and 8x8 sums in the registers of an invocation
 * (common/gpu_tile_wgsl.ts).
 */
import { GPU_TILE, GPU_TILE_COLUMNS, gpuTileRows, MAX_GPU_TILE_ROWS, operands } from '../common/gpu_tile_wgsl.ts';
import { TAPS, tileVariants } from './implicit_gemm.ts';

const MAIN = /* wgsl */ `
var<private> pixel0: u32;
var<private> column0: u32;
var<private> class_y: u32;
var<private> class_x: u32;

fn k_end() -> u32 { return params.cin; }
fn columns4() -> u32 { return params.cout4; }

fn put(row: u32, column: u32, v: vec4f) {
  let r = result_of(place_of(pixel0 + row), class_y, class_x);
  if (r >= 0 && column0 + column < params.cout4) {
    let i = u32(r) * params.cout4 + column0 + column;
    store_y(i, v + bias_at(column0 + column) + residual_at(i));
  }
}

/** Channels c … c + 3 of a source pixel; zero outside the image and beyond the last channel. */
fn channels(source: i32, c: u32) -> vec4f {
  return select(vec4f(), four_a(u32(max(source, 0)) + c, c, params.cin), source >= 0);
}

${TAPS}@compute @workgroup_size(ROWS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let cy = group.z / params.classes;
  let cx = group.z % params.classes;
  pixel0 = group.y * ROWS;
  column0 = group.x * 16u;
  class_y = cy;
  class_x = cx;
  let pixel = group.y * ROWS + (index >> 2u) * 4u;
  let place0 = place_of(pixel);
  let place1 = place_of(pixel + 1u);
  let place2 = place_of(pixel + 2u);
  let place3 = place_of(pixel + 3u);
  let c_a = (index & 3u) * 4u;
  let column = item_column(index);
  let c_b = item_k(index);
  let column_b = min(group.x * 16u + column, params.cout4 - 1u);
  let ky0 = first_tap(cy, params.kh, params.top);
  let kx0 = first_tap(cx, params.kw, params.left);
  let chunks = (params.cin + 15u) / 16u;
  let steps = taps_from(ky0, params.kh) * taps_from(kx0, params.kw) * chunks;
  var sums = Sums();
  var a = Quad();
  var b = Quad();
  var ky = ky0;
  var kx = kx0;
  var c = 0u;
  // One round more than there are steps: round s fetches step s while step s - 1 is multiplied.
  for (var s = 0u; s <= steps; s++) {
    if (s > 0u) {
      put_a(index, a);
      if (index < 64u) {
        put_b(c_b, column, b);
      }
    }
    workgroupBarrier();
    if (s < steps) {
      let dy = offset_of(cy, ky, params.top) / i32(params.classes);
      let dx = offset_of(cx, kx, params.left) / i32(params.classes);
      a = Quad(
        channels(source_of(place0, dy, dx), c + c_a),
        channels(source_of(place1, dy, dx), c + c_a),
        channels(source_of(place2, dy, dx), c + c_a),
        channels(source_of(place3, dy, dx), c + c_a),
      );
      if (index < 64u) {
        b = fetch_b((ky * params.kw + kx) * params.cin * params.cout4 * 4u, c + c_b, column_b);
      }
      c += 16u;
      if (c >= params.cin) {
        c = 0u;
        kx += params.classes;
        if (kx >= params.kw) {
          kx = kx0;
          ky += params.classes;
        }
      }
    }
    if (s > 0u) {
      multiply(&sums, index);
    }
    workgroupBarrier();
  }
  put_sums(&sums, index);
}
`;

export const gpuTile = tileVariants({
  name: 'gpu_tile',
  runs: (caps) => caps.maxInvocations >= MAX_GPU_TILE_ROWS,
  readsTransposed: true,
  kernel: ({ cin, cout, pixels, phases, transposeWeight }) => {
    const rows = gpuTileRows(pixels, cout, phases);
    const { code, vecA, vecB } = operands(cin, transposeWeight);
    return {
      code: GPU_TILE + code + MAIN,
      constants: { ROWS: rows },
      pixels: rows,
      channels: GPU_TILE_COLUMNS,
      x: ['a', vecA],
      w: ['b', vecB],
    };
  },
});
