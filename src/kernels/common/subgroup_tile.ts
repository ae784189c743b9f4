/**
 * A tile of 8 rows x 32 columns of a product, computed by one subgroup of 8 invocations without barriers.
 * On CPU drivers a load costs far more than a multiply-add and a broadcast within the subgroup almost nothing
 * (lavapipe: about 20, 0.5 and 1 ns for 8 lanes), so every loaded value is used as often as registers allow:
 * a lane holds 4 columns of b for all 8 rows, and 8 rows of a for one k, which the others get by broadcast.
 */
import type { DeviceCaps } from '../../tensor/op.ts';

/** Invocations of a workgroup, which must be exactly one subgroup. */
export const TILE_LANES = 8;
export const TILE_ROWS = 8;
export const TILE_COLUMNS = 32;

export function hasSubgroupTile(caps: DeviceCaps): boolean {
  return caps.software && caps.subgroups && caps.subgroupMinSize === TILE_LANES && caps.subgroupMaxSize === TILE_LANES;
}

const STEP = /* wgsl */ `
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
`;

/**
 * `accumulate(sum, low, high, b, stride, last)` adds 8 steps of k: this lane's `low`, `high` are a's 8 rows at
 * k + lane, `b` indexes this lane's vec4 of b's row k, `stride` leads to its next row and `last` is its last one
 * (beyond it a must be zero). Needs `load_b`.
 */
export const SUBGROUP_TILE = /* wgsl */ `
${STEP}
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
`;

/**
 * As SUBGROUP_TILE where b is stored along k: `b` indexes this lane's first column at k (a vec4 along k), `stride` leads to its
 * next column, and `more` to k + 4 (0 where that is beyond the end). As many loads, turned in registers, which costs nothing here.
 */
export const SUBGROUP_TILE_SWAPPED = /* wgsl */ `
${STEP}
fn accumulate(start: Rows, low: vec4f, high: vec4f, b: u32, stride: u32, more: u32) -> Rows {
  var sum = start;
  let a0 = load_b(b);
  let a1 = load_b(b + stride);
  let a2 = load_b(b + 2u * stride);
  let a3 = load_b(b + 3u * stride);
  sum = step(sum, subgroupBroadcast(low, 0u), subgroupBroadcast(high, 0u), vec4f(a0.x, a1.x, a2.x, a3.x));
  sum = step(sum, subgroupBroadcast(low, 1u), subgroupBroadcast(high, 1u), vec4f(a0.y, a1.y, a2.y, a3.y));
  sum = step(sum, subgroupBroadcast(low, 2u), subgroupBroadcast(high, 2u), vec4f(a0.z, a1.z, a2.z, a3.z));
  sum = step(sum, subgroupBroadcast(low, 3u), subgroupBroadcast(high, 3u), vec4f(a0.w, a1.w, a2.w, a3.w));
  let b0 = load_b(b + more);
  let b1 = load_b(b + stride + more);
  let b2 = load_b(b + 2u * stride + more);
  let b3 = load_b(b + 3u * stride + more);
  sum = step(sum, subgroupBroadcast(low, 4u), subgroupBroadcast(high, 4u), vec4f(b0.x, b1.x, b2.x, b3.x));
  sum = step(sum, subgroupBroadcast(low, 5u), subgroupBroadcast(high, 5u), vec4f(b0.y, b1.y, b2.y, b3.y));
  sum = step(sum, subgroupBroadcast(low, 6u), subgroupBroadcast(high, 6u), vec4f(b0.z, b1.z, b2.z, b3.z));
  sum = step(sum, subgroupBroadcast(low, 7u), subgroupBroadcast(high, 7u), vec4f(b0.w, b1.w, b2.w, b3.w));
  return sum;
}
`;

/** `put_rows(row, sum)` calls `put(row, v)`, which the kernel defines, for each of the 8 rows. */
export const PUT_ROWS = /* wgsl */ `
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
