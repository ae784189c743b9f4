/**
 * WGSL of attention over q [B,T,H*D], k and v [B,S,H*D]. Scores live only in registers: the forward pass keeps a
 * running maximum and sum (Milakov and Gimelshein 2018; Dao et al. 2022), the backward passes recompute
 * probabilities from the saved log-sum-exp. D is the constant HEAD. Masked keys are skipped, not weighted by zero.
 */

const KEY_MASK = 'fn attends(i: u32) -> bool { return load_mask(i) > 0.5; }\n';
const NO_KEY_MASK = 'fn attends(i: u32) -> bool { return true; }\n';

/** `attends(b * S + s)`: whether key s of batch b takes part. */
export function keyMaskCode(hasMask: boolean): string {
  return hasMask ? KEY_MASK : NO_KEY_MASK;
}

/** One invocation a query row of a head. A row without any key gives y = 0, lse = 0. */
export const ATTENTION_V1 = /* wgsl */ `
@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let t = id.x;
  let head = id.y;
  let batch = id.z;
  if (t >= params.queries) {
    return;
  }
  let width = params.heads * HEAD;
  let from_q = (batch * params.queries + t) * width + head * HEAD;
  let end = select(params.keys, min(params.keys, t + 1u), params.causal == 1u);
  var sum: array<f32, HEAD>;
  var highest = -3.0e38;
  var total = 0.0;
  for (var s = 0u; s < end; s++) {
    if (!attends(batch * params.keys + s)) {
      continue;
    }
    let from_k = (batch * params.keys + s) * width + head * HEAD;
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
      sum[d] = sum[d] * shrink + p * load_v(from_k + d);
    }
  }
  let any_key = total > 0.0;
  let inverse = select(0.0, 1.0 / total, any_key);
  for (var d = 0u; d < HEAD; d++) {
    store_y(from_q + d, sum[d] * inverse);
  }
  store_lse((batch * params.heads + head) * params.queries + t, select(0.0, highest + log(total), any_key));
}
`;

/** delta [B,H,T]: y · dy of each query row, which is the sum over keys of p dp. */
export const ATTENTION_DELTA_V1 = /* wgsl */ `
@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let t = id.x;
  if (t >= params.queries) {
    return;
  }
  let from = ((id.z * params.queries + t) * params.heads + id.y) * params.head;
  var sum = 0.0;
  for (var d = 0u; d < params.head; d++) {
    sum += load_y(from + d) * load_dy(from + d);
  }
  store_delta((id.z * params.heads + id.y) * params.queries + t, sum);
}
`;

/** One invocation a query row: dq = scale * sum over keys of p (dp - delta) k. */
export const ATTENTION_BACKWARD_QUERY_V1 = /* wgsl */ `
@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let t = id.x;
  let head = id.y;
  let batch = id.z;
  if (t >= params.queries) {
    return;
  }
  let width = params.heads * HEAD;
  let row = (batch * params.heads + head) * params.queries + t;
  let from_q = (batch * params.queries + t) * width + head * HEAD;
  let end = select(params.keys, min(params.keys, t + 1u), params.causal == 1u);
  var sum: array<f32, HEAD>;
  for (var s = 0u; s < end; s++) {
    if (!attends(batch * params.keys + s)) {
      continue;
    }
    let from_k = (batch * params.keys + s) * width + head * HEAD;
    var score = 0.0;
    var dp = 0.0;
    for (var d = 0u; d < HEAD; d++) {
      score += load_q(from_q + d) * load_k(from_k + d);
      dp += load_dy(from_q + d) * load_v(from_k + d);
    }
    let ds = exp(score * params.scale - load_lse(row)) * (dp - load_delta(row)) * params.scale;
    for (var d = 0u; d < HEAD; d++) {
      sum[d] += ds * load_k(from_k + d);
    }
  }
  for (var d = 0u; d < HEAD; d++) {
    store_dq(from_q + d, sum[d]);
  }
}
`;

/** One invocation a key row: dv = sum over queries of p dy, dk = scale * sum of p (dp - delta) q. */
export const ATTENTION_BACKWARD_KEY_VALUE_V1 = /* wgsl */ `
@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let s = id.x;
  let head = id.y;
  let batch = id.z;
  if (s >= params.keys) {
    return;
  }
  let width = params.heads * HEAD;
  let from_k = (batch * params.keys + s) * width + head * HEAD;
  var start = select(0u, s, params.causal == 1u);
  if (!attends(batch * params.keys + s)) {
    start = params.queries;
  }
  var sum_k: array<f32, HEAD>;
  var sum_v: array<f32, HEAD>;
  for (var t = start; t < params.queries; t++) {
    let row = (batch * params.heads + head) * params.queries + t;
    let from_q = (batch * params.queries + t) * width + head * HEAD;
    var score = 0.0;
    var dp = 0.0;
    for (var d = 0u; d < HEAD; d++) {
      score += load_q(from_q + d) * load_k(from_k + d);
      dp += load_dy(from_q + d) * load_v(from_k + d);
    }
    let p = exp(score * params.scale - load_lse(row));
    let ds = p * (dp - load_delta(row)) * params.scale;
    for (var d = 0u; d < HEAD; d++) {
      sum_k[d] += ds * load_q(from_q + d);
      sum_v[d] += p * load_dy(from_q + d);
    }
  }
  for (var d = 0u; d < HEAD; d++) {
    store_dk(from_k + d, sum_k[d]);
    store_dv(from_k + d, sum_v[d]);
  }
}
`;
