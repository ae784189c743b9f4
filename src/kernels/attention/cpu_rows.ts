/**
 * Attention on CPU drivers with subgroups of 8: a workgroup is one subgroup, a lane has four query rows (in the backward pass
 * also four key rows), 8 apart, and keeps their vectors. A key's vector is loaded as vec4s, one a lane, and spread by broadcast.
 * Four keys are taken at a time. Measured on lavapipe by sampling, and by its code:
 * - A load is a loop over the lanes with a branch and a bounds check for each element, as long as 50 to 100 multiply-adds of 8 lanes.
 *   So a loaded vector serves 32 rows.
 * - A store to a variable in a loop is a load, a blend by the execution mask, and a store. So a sum takes four keys at once.
 * - Values that wait for a store, or are used again much later, are spilled. So each statement computes and stores one vec4, and
 *   scores come key by key from a loop that is not unrolled, as code that stands once, with four sums in registers.
 * Rescaling is costly, so it waits until a score is 8 above the reference in log2, where p is at most 256.
 * HEAD counts vec4s, PARTS the loads of 8 vec4s. The driver cannot unroll loops up to `params.places` (4 D) or `s + 4u`. It keeps
 * arrays that such loops index in memory: with them in registers LLVM would compile for minutes.
 */

import type { DeviceCaps } from '../../tensor/device_caps.ts';
import type { Variant } from '../../tensor/op.ts';
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
  vec: 4,
  constants: (head) => ({ Element: 'vec4f', HEAD: head / 4, PARTS: Math.ceil(head / 32), LANES: TILE_LANES }),
};

/** Vectors of a lane's four rows, and arithmetic of them with vectors spread over the lanes. */
export const ROW_VECTORS = /* wgsl */ `
const LOG2_E = 1.4426950408889634;
const LN_2 = 0.6931471805599453;

/** One element of each of four rows. Not a vec4f: there the driver would copy all four to set one that it does not know. */
alias Each = array<f32, 4>;
/** Elements 4 i … 4 i + 3 of four rows. */
alias Four = array<Each, 4>;
alias Rows = array<Four, HEAD>;
/** A vector spread over the lanes: lane l has vec4s 8 c + l. */
alias Spread = array<vec4f, PARTS>;

fn vector(x: Each) -> vec4f {
  return vec4f(x[0], x[1], x[2], x[3]);
}

/** Sets four elements of one row: vec4 i / 4 of row i % 4. */
fn set_row(x: ptr<function, Rows>, i: u32, v: vec4f) {
  (*x)[i / 4u][0][i % 4u] = v.x;
  (*x)[i / 4u][1][i % 4u] = v.y;
  (*x)[i / 4u][2][i % 4u] = v.z;
  (*x)[i / 4u][3][i % 4u] = v.w;
}

fn row_of(x: ptr<function, Rows>, i: u32) -> vec4f {
  return vec4f((*x)[i / 4u][0][i % 4u], (*x)[i / 4u][1][i % 4u], (*x)[i / 4u][2][i % 4u], (*x)[i / 4u][3][i % 4u]);
}

fn dots_4(x: ptr<function, Four>, k: vec4f, start: vec4f) -> vec4f {
  let two = fma(vector((*x)[1]), vec4f(k.y), fma(vector((*x)[0]), vec4f(k.x), start));
  return fma(vector((*x)[3]), vec4f(k.w), fma(vector((*x)[2]), vec4f(k.z), two));
}

fn dots_32(x: ptr<function, Rows>, part: u32, k: vec4f, start: vec4f) -> vec4f {
  let i = 8u * part;
  var sum = start;
  if (i + 0u < HEAD) {
    sum = dots_4(&(*x)[i + 0u], subgroupBroadcast(k, 0u), sum);
  }
  if (i + 1u < HEAD) {
    sum = dots_4(&(*x)[i + 1u], subgroupBroadcast(k, 1u), sum);
  }
  if (i + 2u < HEAD) {
    sum = dots_4(&(*x)[i + 2u], subgroupBroadcast(k, 2u), sum);
  }
  if (i + 3u < HEAD) {
    sum = dots_4(&(*x)[i + 3u], subgroupBroadcast(k, 3u), sum);
  }
  if (i + 4u < HEAD) {
    sum = dots_4(&(*x)[i + 4u], subgroupBroadcast(k, 4u), sum);
  }
  if (i + 5u < HEAD) {
    sum = dots_4(&(*x)[i + 5u], subgroupBroadcast(k, 5u), sum);
  }
  if (i + 6u < HEAD) {
    sum = dots_4(&(*x)[i + 6u], subgroupBroadcast(k, 6u), sum);
  }
  if (i + 7u < HEAD) {
    sum = dots_4(&(*x)[i + 7u], subgroupBroadcast(k, 7u), sum);
  }
  return sum;
}

/** start + x · k of each row. */
fn all_dots(x: ptr<function, Rows>, k: ptr<function, Spread>, start: vec4f) -> vec4f {
  var sum = dots_32(x, 0u, (*k)[0], start);
  if (PARTS > 1u) {
    sum = dots_32(x, 1u, (*k)[min(1u, PARTS - 1u)], sum);
  }
  if (PARTS > 2u) {
    sum = dots_32(x, 2u, (*k)[min(2u, PARTS - 1u)], sum);
  }
  if (PARTS > 3u) {
    sum = dots_32(x, 3u, (*k)[min(3u, PARTS - 1u)], sum);
  }
  return sum;
}

/** A number for each row and each of four keys. */
struct Weights {
  a: vec4f,
  b: vec4f,
  c: vec4f,
  d: vec4f,
}

fn shifted(w: Weights, next: vec4f) -> Weights {
  return Weights(w.b, w.c, w.d, next);
}

fn weighed(p: Weights, a: f32, b: f32, c: f32, d: f32, start: Each) -> Each {
  let v = fma(p.d, vec4f(d), fma(p.c, vec4f(c), fma(p.b, vec4f(b), fma(p.a, vec4f(a), vector(start)))));
  return Each(v.x, v.y, v.z, v.w);
}

fn add_4(sum: ptr<function, Four>, p: Weights, a: vec4f, b: vec4f, c: vec4f, d: vec4f) {
  (*sum)[0] = weighed(p, a.x, b.x, c.x, d.x, (*sum)[0]);
  (*sum)[1] = weighed(p, a.y, b.y, c.y, d.y, (*sum)[1]);
  (*sum)[2] = weighed(p, a.z, b.z, c.z, d.z, (*sum)[2]);
  (*sum)[3] = weighed(p, a.w, b.w, c.w, d.w, (*sum)[3]);
}

/** sum += p v for each row, of vec4s 8 part … 8 part + 7 of four spread vectors. */
fn add_32(sum: ptr<function, Rows>, part: u32, p: Weights, a: vec4f, b: vec4f, c: vec4f, d: vec4f) {
  let i = 8u * part;
  if (i + 0u < HEAD) {
    add_4(&(*sum)[i + 0u], p, subgroupBroadcast(a, 0u), subgroupBroadcast(b, 0u), subgroupBroadcast(c, 0u),
      subgroupBroadcast(d, 0u));
  }
  if (i + 1u < HEAD) {
    add_4(&(*sum)[i + 1u], p, subgroupBroadcast(a, 1u), subgroupBroadcast(b, 1u), subgroupBroadcast(c, 1u),
      subgroupBroadcast(d, 1u));
  }
  if (i + 2u < HEAD) {
    add_4(&(*sum)[i + 2u], p, subgroupBroadcast(a, 2u), subgroupBroadcast(b, 2u), subgroupBroadcast(c, 2u),
      subgroupBroadcast(d, 2u));
  }
  if (i + 3u < HEAD) {
    add_4(&(*sum)[i + 3u], p, subgroupBroadcast(a, 3u), subgroupBroadcast(b, 3u), subgroupBroadcast(c, 3u),
      subgroupBroadcast(d, 3u));
  }
  if (i + 4u < HEAD) {
    add_4(&(*sum)[i + 4u], p, subgroupBroadcast(a, 4u), subgroupBroadcast(b, 4u), subgroupBroadcast(c, 4u),
      subgroupBroadcast(d, 4u));
  }
  if (i + 5u < HEAD) {
    add_4(&(*sum)[i + 5u], p, subgroupBroadcast(a, 5u), subgroupBroadcast(b, 5u), subgroupBroadcast(c, 5u),
      subgroupBroadcast(d, 5u));
  }
  if (i + 6u < HEAD) {
    add_4(&(*sum)[i + 6u], p, subgroupBroadcast(a, 6u), subgroupBroadcast(b, 6u), subgroupBroadcast(c, 6u),
      subgroupBroadcast(d, 6u));
  }
  if (i + 7u < HEAD) {
    add_4(&(*sum)[i + 7u], p, subgroupBroadcast(a, 7u), subgroupBroadcast(b, 7u), subgroupBroadcast(c, 7u),
      subgroupBroadcast(d, 7u));
  }
}

/** The vec4 of a part that a lane loads; past the head, its last. */
fn place_in(part: u32, lane: u32) -> u32 {
  return min(8u * part + lane, HEAD - 1u);
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

const FORWARD = /* wgsl */ `
/** Adds p times one part of the values of four keys, which begin at v. */
fn add_values(sum: ptr<function, Rows>, part: u32, p: Weights, v: vec4u, lane: u32) {
  let at = v + place_in(part, lane);
  add_32(sum, part, p, load_v(at.x), load_v(at.y), load_v(at.z), load_v(at.w));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let t = rows_of(group.x, lane);
  let head = group.y;
  let batch = group.z;
  let from_q = q_at(batch, 0u, head) + params.q_row * min(t, vec4u(params.queries - 1u));
  let last = params.keys - 1u;
  var q: Rows;
  var sum: Rows;
  for (var i = 0u; i < params.places / 4u; i++) {
    let row = load_q(from_q[i % 4u] + i / 4u);
    set_row(&q, i, row);
    set_row(&sum, i, vec4f());
  }
  let end = select(params.keys, min(params.keys, group.x * 32u + 32u), params.causal == 1u);
  let scale = params.scale * LOG2_E;
  let low = vec4f(-3.0e38);
  var reference = low;
  var total = vec4f();
  for (var s = 0u; s < end; s += 4u) {
    var scores = Weights();
    for (var key = s; key < s + 4u; key++) {
      let from_k = k_at(batch, min(key, last), head);
      var k: Spread;
      for (var c = 0u; c < PARTS; c++) {
        k[c] = load_k(from_k + place_in(c, lane));
      }
      let seen = seen_by(t, key) & vec4<bool>(key <= last && attends(batch * params.keys + min(key, last)));
      scores = shifted(scores, select(low, all_dots(&q, &k, vec4f()) * scale, seen));
    }
    let highest = max(max(scores.a, scores.b), max(scores.c, scores.d));
    if (subgroupAny(any(highest > reference + 8.0))) {
      let before = reference;
      reference = max(reference, highest);
      let shrink = exp2(before - reference);
      total *= shrink;
      for (var i = 0u; i < params.places; i++) {
        sum[i / 16u][i / 4u % 4u][i % 4u] *= shrink[i % 4u];
      }
    }
    let p = Weights(
      select(vec4f(), exp2(scores.a - reference), scores.a > low), select(vec4f(), exp2(scores.b - reference), scores.b > low),
      select(vec4f(), exp2(scores.c - reference), scores.c > low), select(vec4f(), exp2(scores.d - reference), scores.d > low));
    total += p.a + p.b + p.c + p.d;
    let from_v = vec4u(v_at(batch, s, head), v_at(batch, min(s + 1u, last), head), v_at(batch, min(s + 2u, last), head),
      v_at(batch, min(s + 3u, last), head));
    add_values(&sum, 0u, p, from_v, lane);
    if (PARTS > 1u) {
      add_values(&sum, 1u, p, from_v, lane);
    }
    if (PARTS > 2u) {
      add_values(&sum, 2u, p, from_v, lane);
    }
    if (PARTS > 3u) {
      add_values(&sum, 3u, p, from_v, lane);
    }
  }
  let any_key = total > vec4f();
  let inverse = select(vec4f(), 1.0 / total, any_key);
  let lse = select(vec4f(), (reference + log2(total)) * LN_2, any_key);
  for (var i = 0u; i < params.places / 4u; i++) {
    let r = i % 4u;
    if (t[r] < params.queries) {
      store_y(y_at(batch, t[r], head) + i / 4u, row_of(&sum, i) * inverse[r]);
      if (i < 4u) {
        store_lse(row_at(batch, t[r], head), lse[r]);
      }
    }
  }
}
`;

export function supports(site: AttentionSite, caps: DeviceCaps): boolean {
  const { batch, heads, queries, keys, head } = siteSizes(site);
  const longest = batch * heads * queries * keys >= MANY_SCORES ? LONGEST : SHORT;
  return hasSubgroupTile(caps) && head % 8 === 0 && head <= longest;
}

export const cpuRows: Variant<AttentionAttrs> = {
  name: 'cpu_rows',
  supports,
  dispatches: (site) => [forwardDispatch(site, BLOCKING, FORWARD + ROW_VECTORS)],
};
