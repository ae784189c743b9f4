/**
 * The gradients of attention on CPU drivers with subgroups of 8, in the rows of cpu_rows.ts: a workgroup has 32 query rows and
 * goes over the keys, or it has 32 key rows and goes over the queries. See backward.ts for the formulas.
 */
import type { Variant } from '../../tensor/op.ts';
import { BLOCKING, ROW_CHUNKS, supports } from './cpu_rows.ts';
import type { BackwardCode } from './dispatches.ts';
import { backwardDispatches } from './dispatches.ts';
import type { BackwardAttrs } from './shapes.ts';

/** One key at a time. */
const QUERY = /* wgsl */ `
fn backward_query(group: vec3u, lane: u32) {
  let t = rows_of(group.x, lane);
  let row = min(t, vec4u(params.queries - 1u));
  let head = group.y;
  let batch = group.z;
  let from_q = q_at(batch, 0u, head) + params.q_row * row;
  let from_y = y_at(batch, 0u, head) + params.heads * HEAD * row;
  let lse = LOG2_E * vec4f(load_lse(row_at(batch, row.x, head)), load_lse(row_at(batch, row.y, head)),
    load_lse(row_at(batch, row.z, head)), load_lse(row_at(batch, row.w, head)));
  var delta = vec4f();
  var q: Chunks;
  var dy: Chunks;
  var sum: Chunks;
  for (var i = 0u; i < params.places; i++) {
    let r = i % 4u;
    let d = i / 4u;
    let cotangent = load_dy(from_y[r] + d);
    q[d / 8u][d % 8u][r] = load_q(from_q[r] + d);
    dy[d / 8u][d % 8u][r] = cotangent;
    delta[r] += cotangent * load_y(from_y[r] + d);
    sum[d / 8u][d % 8u][r] = 0.0;
  }
  let end = select(params.keys, min(params.keys, group.x * 32u + 32u), params.causal == 1u);
  let scale = params.scale * LOG2_E;
  for (var s = 0u; s < end; s++) {
    let from_k = k_at(batch, s, head) + lane;
    let from_v = v_at(batch, s, head) + lane;
    var k: Spread;
    var v: Spread;
    for (var c = 0u; c < CHUNKS; c++) {
      k[c] = load_k(from_k + 8u * c);
      v[c] = load_v(from_v + 8u * c);
    }
    let score = all_dots(&q, &k, vec4f());
    let dp = all_dots(&dy, &v, -delta);
    let seen = seen_by(t, s) & vec4<bool>(attends(batch * params.keys + s));
    let ds = select(vec4f(), exp2(score * scale - lse) * dp * params.scale, seen);
    add_all(&sum, ds, &k);
  }
  for (var i = 0u; i < params.places; i++) {
    let r = i % 4u;
    let d = i / 4u;
    if (t[r] < params.queries) {
      store_dq(from_q[r] + d, sum[d / 8u][d % 8u][r]);
    }
  }
}
`;

/** One query at a time. */
const KEYS = /* wgsl */ `
fn backward_keys(group: vec3u, lane: u32) {
  let s = rows_of(group.x, lane);
  let key = min(s, vec4u(params.keys - 1u));
  let head = group.y;
  let batch = group.z;
  let from_k = k_at(batch, 0u, head) + params.kv_row * key;
  let from_v = v_at(batch, 0u, head) + params.kv_row * key;
  let first = batch * params.keys;
  let takes_part = vec4<bool>(
    attends(first + key.x), attends(first + key.y), attends(first + key.z), attends(first + key.w));
  var k: Chunks;
  var v: Chunks;
  var sum_k: Chunks;
  var sum_v: Chunks;
  for (var i = 0u; i < params.places; i++) {
    let r = i % 4u;
    let d = i / 4u;
    k[d / 8u][d % 8u][r] = load_k(from_k[r] + d);
    v[d / 8u][d % 8u][r] = load_v(from_v[r] + d);
    sum_k[d / 8u][d % 8u][r] = 0.0;
    sum_v[d / 8u][d % 8u][r] = 0.0;
  }
  let start = select(0u, group.x * 32u, params.causal == 1u);
  let scale = params.scale * LOG2_E;
  for (var t = start; t < params.queries; t++) {
    let from_q = q_at(batch, t, head) + lane;
    let from_y = y_at(batch, t, head) + lane;
    let lse = load_lse(row_at(batch, t, head)) * LOG2_E;
    var q: Spread;
    var dy: Spread;
    var products = 0.0;
    for (var c = 0u; c < CHUNKS; c++) {
      q[c] = load_q(from_q + 8u * c);
      dy[c] = load_dy(from_y + 8u * c);
      products += dy[c] * load_y(from_y + 8u * c);
    }
    let score = all_dots(&k, &q, vec4f());
    let dp = all_dots(&v, &dy, vec4f(-subgroupAdd(products)));
    let seen = takes_part & ((s <= vec4u(t)) | vec4<bool>(params.causal == 0u));
    let p = select(vec4f(), exp2(score * scale - lse), seen);
    let ds = p * dp * params.scale;
    add_all(&sum_k, ds, &q);
    add_all(&sum_v, p, &dy);
  }
  for (var i = 0u; i < params.places; i++) {
    let r = i % 4u;
    let d = i / 4u;
    if (s[r] < params.keys) {
      store_dk(from_k[r] + d, sum_k[d / 8u][d % 8u][r]);
      store_dv(from_v[r] + d, sum_v[d / 8u][d % 8u][r]);
    }
  }
}
`;

const CODE: BackwardCode = { query: QUERY, keys: KEYS, common: ROW_CHUNKS };

export const cpuRowsBackward: Variant<BackwardAttrs> = {
  name: 'cpu_rows',
  supports,
  // LLVM compiles both halves in one kernel to code that runs at half the speed of each alone.
  dispatches: (site, caps) => backwardDispatches(site, caps, BLOCKING, CODE, true),
};
