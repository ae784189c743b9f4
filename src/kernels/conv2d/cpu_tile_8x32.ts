/**
 * The gradient of a convolution's weight on CPU drivers with subgroups of 8: a workgroup is one subgroup and computes 8 input
 * channels x 32 output channels of one tap of dw, as a sum over all output pixels in order. A lane loads 4 columns of dy for
 * each of 8 pixels, and the 8 rows of x for one pixel, which the other lanes get by broadcast (common/subgroup_tile.ts).
 */
import type { Variant } from '../../tensor/op.ts';
import { read, write } from '../common/bindings.ts';
import { hasSubgroupTile } from '../common/subgroup_tile.ts';
import type { BackwardWeightAttrs } from './shapes.ts';
import { siteBackwardWeightSizes, sizeParams } from './shapes.ts';

const ROWS = 8;
const COLUMNS = 32;

/** A product of 8 rows of a, for x, and 32 columns of b, for dy; k counts pixels. */
const SUBGROUP_TILE = /* wgsl */ `
struct Rows { r0: vec4f, r1: vec4f, r2: vec4f, r3: vec4f, r4: vec4f, r5: vec4f, r6: vec4f, r7: vec4f }

fn step(sum: Rows, low: vec4f, high: vec4f, b: vec4f) -> Rows {
  return Rows(
    fma(vec4f(low.x), b, sum.r0),
    fma(vec4f(low.y), b, sum.r1),
    fma(vec4f(low.z), b, sum.r2),
    fma(vec4f(low.w), b, sum.r3),
    fma(vec4f(high.x), b, sum.r4),
    fma(vec4f(high.y), b, sum.r5),
    fma(vec4f(high.z), b, sum.r6),
    fma(vec4f(high.w), b, sum.r7),
  );
}

/**
 * Adds 8 steps of k. low and high are a's 8 rows at k + lane; b is the index of this lane's vec4 in row k of b, stride the
 * distance to the next row, and last the index in the last row. Beyond that row a must be zero.
 */
fn accumulate(start: Rows, low: vec4f, high: vec4f, b: u32, stride: u32, last: u32) -> Rows {
  var sum = start;
  sum = step(sum, subgroupBroadcast(low, 0u), subgroupBroadcast(high, 0u), load_b(b));
  sum = step(sum, subgroupBroadcast(low, 1u), subgroupBroadcast(high, 1u), load_b(min(b + stride, last)));
  sum = step(sum, subgroupBroadcast(low, 2u), subgroupBroadcast(high, 2u), load_b(min(b + 2u * stride, last)));
  sum = step(sum, subgroupBroadcast(low, 3u), subgroupBroadcast(high, 3u), load_b(min(b + 3u * stride, last)));
  sum = step(sum, subgroupBroadcast(low, 4u), subgroupBroadcast(high, 4u), load_b(min(b + 4u * stride, last)));
  sum = step(sum, subgroupBroadcast(low, 5u), subgroupBroadcast(high, 5u), load_b(min(b + 5u * stride, last)));
  sum = step(sum, subgroupBroadcast(low, 6u), subgroupBroadcast(high, 6u), load_b(min(b + 6u * stride, last)));
  sum = step(sum, subgroupBroadcast(low, 7u), subgroupBroadcast(high, 7u), load_b(min(b + 7u * stride, last)));
  return sum;
}

fn put_rows(row: u32, sum: Rows) {
  put(row, sum.r0);
  put(row + 1u, sum.r1);
  put(row + 2u, sum.r2);
  put(row + 3u, sum.r3);
  put(row + 4u, sum.r4);
  put(row + 5u, sum.r5);
  put(row + 6u, sum.r6);
  put(row + 7u, sum.r7);
}
`;

const MAIN = /* wgsl */ `
${SUBGROUP_TILE}
var<private> column: u32;

fn put(row: u32, v: vec4f) {
  if (column < params.cout4) {
    store_dw(row * params.cout4 + column, v);
  }
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  column = group.x * 8u + lane;
  let column_b = min(column, params.cout4 - 1u);
  let channel = group.y * 8u;
  let tap = group.z;
  let ky = i32(tap / params.kw);
  let kx = i32(tap % params.kw);
  let last = (params.pixels - 1u) * params.cout4 + column_b;
  var sum = Rows();
  for (var p = 0u; p < params.pixels; p += 8u) {
    let pixel = p + lane;
    let ox = i32(pixel % params.outWidth);
    let oy = i32((pixel / params.outWidth) % params.outHeight);
    let image = i32(pixel / (params.outWidth * params.outHeight));
    let y = oy * i32(params.stride) + ky - params.top;
    let x = ox * i32(params.stride) + kx - params.left;
    let inside = pixel < params.pixels && y >= 0 && y < i32(params.height) && x >= 0 && x < i32(params.width);
    let source = select(0, ((image * i32(params.height) + y) * i32(params.width) + x) * i32(params.cin), inside);
    let i = (u32(source) + channel) / 4u;
    let low = select(vec4f(), load_x(i), inside);
    let high = select(vec4f(), load_x(i + 1u), inside);
    sum = accumulate(sum, low, high, p * params.cout4 + column_b, params.cout4, last);
  }
  put_rows(tap * params.cin + channel, sum);
}
`;

export const cpuTile8x32: Variant<BackwardWeightAttrs> = {
  name: 'cpu_tile_8x32',
  supports: (site, caps) => {
    const { cin, cout } = siteBackwardWeightSizes(site);
    return hasSubgroupTile(caps) && cin % ROWS === 0 && cout % 4 === 0;
  },
  dispatches: (site) => {
    const s = siteBackwardWeightSizes(site);
    const pixels = s.images * s.outHeight * s.outWidth;
    return [
      {
        label: 'conv2d_backward_weight.cpu_tile_8x32',
        code: MAIN,
        params: { ...sizeParams(s), pixels, cout4: s.cout / 4 },
        bindings: [read('x', 0, 4), read('b', 1, 4), write('dw', 0, 4)],
        workgroups: [Math.ceil(s.cout / COLUMNS), s.cin / ROWS, s.kh * s.kw],
      },
    ];
  },
};
