/**
 * Attention of any head size on every adapter, the readable version. An invocation computes one query row of one head: it goes
 * over the keys with the row's maximum and sum kept up to date (online softmax: Milakov and Gimelshein 2018; Dao et al.
 * 2022), so the scores are never stored. The backward pass recomputes probabilities from the saved log-sum-exp: an
 * invocation is one query row for dq, or one key row for dk and dv. Masked keys are skipped, not weighted by zero.
 */
import type { Variant } from '../../tensor/op.ts';
import { at } from '../../tensor/types.ts';
import { canStoreOne } from '../common/site.ts';
import type { BackwardCode, Blocking } from './dispatches.ts';
import { backwardDispatches, forwardDispatch } from './dispatches.ts';
import type { AttentionAttrs, BackwardAttrs } from './shapes.ts';

/** A row that sees no key gives y = 0, lse = 0. */
const FORWARD = /* wgsl */ `
@compute @workgroup_size(LANES)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let t = id.x;
  let head = id.y;
  let batch = id.z;
  if (t >= params.queries) {
    return;
  }
  let from_q = q_at(batch, t, head);
  let end = select(params.keys, min(params.keys, t + 1u), params.causal == 1u);
  var sum: array<f32, HEAD>;
  var highest = -3.0e38;
  var total = 0.0;
  for (var s = 0u; s < end; s++) {
    if (!attends(batch * params.keys + s)) {
      continue;
    }
    let from_k = k_at(batch, s, head);
    let from_v = v_at(batch, s, head);
    var score = 0.0;
    for (var d = 0u; d < HEAD; d++) {
      score += load_q(from_q + d) * load_k(from_k + d);
    }
    score *= params.scale;
    let before = highest;
    highest = max(highest, score);
    let shrink = exp(before - highest);
    let p = exp(score - highest);
    total = total * shrink + p;
    for (var d = 0u; d < HEAD; d++) {
      sum[d] = sum[d] * shrink + p * load_v(from_v + d);
    }
  }
  let any_key = total > 0.0;
  let inverse = select(0.0, 1.0 / total, any_key);
  for (var d = 0u; d < HEAD; d++) {
    store_y(y_at(batch, t, head) + d, sum[d] * inverse);
  }
  store_lse(row_at(batch, t, head), select(0.0, highest + log(total), any_key));
}
`;

/** See backward.ts for the formulas. */
const BACKWARD_COMMON = /* wgsl */ `
fn delta_of(from_y: u32) -> f32 {
  var delta = 0.0;
  for (var d = 0u; d < HEAD; d++) {
    delta += load_y(from_y + d) * load_dy(from_y + d);
  }
  return delta;
}
`;

const BACKWARD_QUERY = /* wgsl */ `
fn backward_query(group: vec3u, lane: u32) {
  let t = group.x * LANES + lane;
  let head = group.y;
  let batch = group.z;
  if (t >= params.queries) {
    return;
  }
  let lse = load_lse(row_at(batch, t, head));
  let from_q = q_at(batch, t, head);
  let from_y = y_at(batch, t, head);
  let delta = delta_of(from_y);
  let end = select(params.keys, min(params.keys, t + 1u), params.causal == 1u);
  var sum: array<f32, HEAD>;
  for (var s = 0u; s < end; s++) {
    if (!attends(batch * params.keys + s)) {
      continue;
    }
    let from_k = k_at(batch, s, head);
    let from_v = v_at(batch, s, head);
    var score = 0.0;
    var dp = 0.0;
    for (var d = 0u; d < HEAD; d++) {
      score += load_q(from_q + d) * load_k(from_k + d);
      dp += load_dy(from_y + d) * load_v(from_v + d);
    }
    let ds = exp(score * params.scale - lse) * (dp - delta) * params.scale;
    for (var d = 0u; d < HEAD; d++) {
      sum[d] += ds * load_k(from_k + d);
    }
  }
  for (var d = 0u; d < HEAD; d++) {
    store_dq(from_q + d, sum[d]);
  }
}
`;

const BACKWARD_KEYS = /* wgsl */ `
fn backward_keys(group: vec3u, lane: u32) {
  let s = group.x * LANES + lane;
  let head = group.y;
  let batch = group.z;
  if (s >= params.keys) {
    return;
  }
  let from_k = k_at(batch, s, head);
  let from_v = v_at(batch, s, head);
  var start = select(0u, s, params.causal == 1u);
  if (!attends(batch * params.keys + s)) {
    start = params.queries;
  }
  var sum_k: array<f32, HEAD>;
  var sum_v: array<f32, HEAD>;
  for (var t = start; t < params.queries; t++) {
    let from_q = q_at(batch, t, head);
    let from_y = y_at(batch, t, head);
    var score = 0.0;
    var dp = 0.0;
    for (var d = 0u; d < HEAD; d++) {
      score += load_q(from_q + d) * load_k(from_k + d);
      dp += load_dy(from_y + d) * load_v(from_v + d);
    }
    let p = exp(score * params.scale - load_lse(row_at(batch, t, head)));
    let ds = p * (dp - delta_of(from_y)) * params.scale;
    for (var d = 0u; d < HEAD; d++) {
      sum_k[d] += ds * load_q(from_q + d);
      sum_v[d] += p * load_dy(from_y + d);
    }
  }
  for (var d = 0u; d < HEAD; d++) {
    store_dk(from_k + d, sum_k[d]);
    store_dv(from_v + d, sum_v[d]);
  }
}
`;

const BLOCKING: Blocking = {
  name: 'naive',
  rows: 32,
  vec: 1,
  constants: (head) => ({ Element: 'f32', HEAD: head, LANES: 32 }),
};
const BACKWARD: BackwardCode = { query: BACKWARD_QUERY, keys: BACKWARD_KEYS, common: BACKWARD_COMMON };

export const naive: Variant<AttentionAttrs> = {
  name: 'naive',
  supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
  dispatches: (site) => [forwardDispatch(site, BLOCKING, FORWARD)],
};

export const naiveBackward: Variant<BackwardAttrs> = {
  name: 'naive',
  supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
  dispatches: (site, caps) => backwardDispatches(site, caps, BLOCKING, BACKWARD),
};
