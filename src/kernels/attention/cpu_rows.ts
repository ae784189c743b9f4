/**
 * Attention on CPU drivers with subgroups of 8: a workgroup is one subgroup, a lane has four query rows (in the backward pass
 * also four key rows), 8 apart, and keeps their vectors. What all lanes need is loaded 8 elements at once, one a lane, and
 * spread by broadcast.
 * Measured on lavapipe, for 8 lanes: a load 9 to 14 ns, a multiply-add 0.4, a broadcast 0.3. So a loaded vector must serve
 * many rows; and loads stand before the arithmetic, because a load contains branches, across which registers are spilled.
 * HEAD is D, a multiple of 8; CHUNKS = D / 8. The driver unrolls a loop over CHUNKS only if it is short, so it is written as
 * two halves. It cannot unroll loops up to `params.places` (4 D), and so keeps the arrays that they index in memory:
 * with them in registers LLVM would compile for minutes.
 */

import type { DeviceCaps } from '../../tensor/device_caps.ts';
import type { Variant } from '../../tensor/op.ts';
import { canStoreOne } from '../common/site.ts';
import { hasSubgroupTile, TILE_LANES } from '../common/subgroup_tile.ts';
import type { Blocking } from './dispatches.ts';
import { forwardDispatch } from './dispatches.ts';
import type { AttentionAttrs, AttentionSite } from './shapes.ts';
import { siteSizes } from './shapes.ts';

/** Heads up to SHORT are always worth it; longer ones, which LLVM compiles for seconds, from MANY_SCORES scores on. */
const SHORT = 32;
const LONGEST = 128;
const MANY_SCORES = 1 << 20;

/** Shared with cpu_rows_backward.ts. */
export const BLOCKING: Blocking = {
  name: 'cpu_rows',
  rows: 4 * TILE_LANES,
  vec: 1,
  constants: (head) => ({ Element: 'f32', HEAD: head, CHUNKS: head / 8, LANES: TILE_LANES }),
};

/** Elements 8 c … 8 c + 7 of a lane's four rows, and arithmetic of them with 8 elements spread over the lanes. */
export const ROW_CHUNKS = /* wgsl */ `
alias Chunk = array<vec4f, 8>;

const LOG2_E = 1.4426950408889634;
const LN_2 = 0.6931471805599453;

fn dots(x: Chunk, k: f32, start: vec4f) -> vec4f {
  var sum = fma(x[0], vec4f(subgroupBroadcast(k, 0u)), start);
  sum = fma(x[1], vec4f(subgroupBroadcast(k, 1u)), sum);
  sum = fma(x[2], vec4f(subgroupBroadcast(k, 2u)), sum);
  sum = fma(x[3], vec4f(subgroupBroadcast(k, 3u)), sum);
  sum = fma(x[4], vec4f(subgroupBroadcast(k, 4u)), sum);
  sum = fma(x[5], vec4f(subgroupBroadcast(k, 5u)), sum);
  sum = fma(x[6], vec4f(subgroupBroadcast(k, 6u)), sum);
  return fma(x[7], vec4f(subgroupBroadcast(k, 7u)), sum);
}

fn add_scaled(sum: Chunk, p: vec4f, v: f32) -> Chunk {
  return Chunk(
    fma(p, vec4f(subgroupBroadcast(v, 0u)), sum[0]),
    fma(p, vec4f(subgroupBroadcast(v, 1u)), sum[1]),
    fma(p, vec4f(subgroupBroadcast(v, 2u)), sum[2]),
    fma(p, vec4f(subgroupBroadcast(v, 3u)), sum[3]),
    fma(p, vec4f(subgroupBroadcast(v, 4u)), sum[4]),
    fma(p, vec4f(subgroupBroadcast(v, 5u)), sum[5]),
    fma(p, vec4f(subgroupBroadcast(v, 6u)), sum[6]),
    fma(p, vec4f(subgroupBroadcast(v, 7u)), sum[7]),
  );
}

alias Chunks = array<Chunk, CHUNKS>;
/** A vector spread over the lanes: lane l has elements 8 c + l. */
alias Spread = array<f32, CHUNKS>;

/** start + x · k of each row. */
fn all_dots(x: ptr<function, Chunks>, k: ptr<function, Spread>, start: vec4f) -> vec4f {
  var sum = start;
  for (var c = 0u; c < CHUNKS / 2u; c++) {
    sum = dots((*x)[c], (*k)[c], sum);
  }
  for (var c = CHUNKS / 2u; c < CHUNKS; c++) {
    sum = dots((*x)[c], (*k)[c], sum);
  }
  return sum;
}

/** sum += p v for each row. */
fn add_all(sum: ptr<function, Chunks>, p: vec4f, v: ptr<function, Spread>) {
  for (var c = 0u; c < CHUNKS / 2u; c++) {
    (*sum)[c] = add_scaled((*sum)[c], p, (*v)[c]);
  }
  for (var c = CHUNKS / 2u; c < CHUNKS; c++) {
    (*sum)[c] = add_scaled((*sum)[c], p, (*v)[c]);
  }
}

fn scaled(x: Chunk, f: vec4f) -> Chunk {
  return Chunk(x[0] * f, x[1] * f, x[2] * f, x[3] * f, x[4] * f, x[5] * f, x[6] * f, x[7] * f);
}

/** The lane's rows in a workgroup's 32. */
fn rows_of(group: u32, lane: u32) -> vec4u {
  return vec4u(32u * group + lane) + vec4u(0u, 8u, 16u, 24u);
}

/** For each row, whether causality lets it attend to key s. */
fn seen_by(t: vec4u, s: u32) -> vec4<bool> {
  return (vec4u(s) <= t) | vec4<bool>(params.causal == 0u);
}
`;

/** Two keys at a time. */
const FORWARD = /* wgsl */ `
@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let t = rows_of(group.x, lane);
  let row = min(t, vec4u(params.queries - 1u));
  let head = group.y;
  let batch = group.z;
  let from_q = q_at(batch, 0u, head) + params.q_row * row;
  var q: Chunks;
  var sum: Chunks;
  for (var i = 0u; i < params.places; i++) {
    let r = i % 4u;
    let d = i / 4u;
    q[d / 8u][d % 8u][r] = load_q(from_q[r] + d);
    sum[d / 8u][d % 8u][r] = 0.0;
  }
  let end = select(params.keys, min(params.keys, group.x * 32u + 32u), params.causal == 1u);
  let scale = params.scale * LOG2_E;
  var highest = vec4f(-3.0e38);
  var total = vec4f();
  for (var s = 0u; s < end; s += 2u) {
    let other = min(s + 1u, params.keys - 1u);
    let from_k = vec2u(k_at(batch, s, head), k_at(batch, other, head)) + lane;
    let from_v = vec2u(v_at(batch, s, head), v_at(batch, other, head)) + lane;
    var k0: Spread;
    var k1: Spread;
    for (var c = 0u; c < CHUNKS; c++) {
      k0[c] = load_k(from_k.x + 8u * c);
      k1[c] = load_k(from_k.y + 8u * c);
    }
    var score0 = all_dots(&q, &k0, vec4f());
    var score1 = all_dots(&q, &k1, vec4f());
    let seen0 = seen_by(t, s) & vec4<bool>(attends(batch * params.keys + s));
    let seen1 = seen_by(t, s + 1u) & vec4<bool>(s + 1u < params.keys && attends(batch * params.keys + other));
    score0 = select(vec4f(-3.0e38), score0 * scale, seen0);
    score1 = select(vec4f(-3.0e38), score1 * scale, seen1);
    let before = highest;
    highest = max(highest, max(score0, score1));
    if (subgroupAny(any(before < highest))) {
      let shrink = exp2(before - highest);
      total *= shrink;
      for (var c = 0u; c < CHUNKS; c++) {
        sum[c] = scaled(sum[c], shrink);
      }
    }
    let p0 = select(vec4f(), exp2(score0 - highest), seen0);
    let p1 = select(vec4f(), exp2(score1 - highest), seen1);
    total += p0 + p1;
    var v0: Spread;
    var v1: Spread;
    for (var c = 0u; c < CHUNKS; c++) {
      v0[c] = load_v(from_v.x + 8u * c);
      v1[c] = load_v(from_v.y + 8u * c);
    }
    add_all(&sum, p0, &v0);
    add_all(&sum, p1, &v1);
  }
  let any_key = total > vec4f();
  let inverse = select(vec4f(), 1.0 / total, any_key);
  let lse = select(vec4f(), (highest + log2(total)) * LN_2, any_key);
  for (var i = 0u; i < params.places; i++) {
    let r = i % 4u;
    let d = i / 4u;
    if (t[r] < params.queries) {
      store_y(y_at(batch, t[r], head) + d, sum[d / 8u][d % 8u][r] * inverse[r]);
      if (d == 0u) {
        store_lse(row_at(batch, t[r], head), lse[r]);
      }
    }
  }
}
`;

export function supports(site: AttentionSite, caps: DeviceCaps): boolean {
  const { batch, heads, queries, keys, head } = siteSizes(site);
  const longest = batch * heads * queries * keys >= MANY_SCORES ? LONGEST : SHORT;
  const stores = site.outputs.every((type) => canStoreOne(type, caps));
  return stores && hasSubgroupTile(caps) && head % 8 === 0 && head <= longest;
}

export const cpuRows: Variant<AttentionAttrs> = {
  name: 'cpu_rows',
  supports,
  dispatches: (site) => [forwardDispatch(site, BLOCKING, FORWARD + ROW_CHUNKS)],
};
