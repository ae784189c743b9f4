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

import type { DeviceCaps } from '../../tensor/device/device_caps.ts';
import type { Variant } from '../../tensor/op.ts';
import { hasSubgroupTile, TILE_LANES } from '../common/subgroup_tile.ts';
import type { Blocking } from './dispatches.ts';
import { forwardDispatch } from './dispatches.ts';
import { ROW_VECTORS } from './row_vectors.ts';
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
