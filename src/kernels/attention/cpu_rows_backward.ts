/**
 * The gradients of attention on CPU drivers with subgroups of 8, in the rows of cpu_rows.ts: a workgroup has 32 query rows and
 * goes over the keys, four at a time, or it has 32 key rows and goes over the queries, two at a time. See backward.ts for the formulas.
 * Loads and `subgroupAdd` contain branches. Where one stood between a scalar product and its use, LLVM would move the additions
 * behind it and keep each multiplication's result in memory. So scalar products come last.
 */
import type { Variant } from '../../tensor/op.ts';
import { BLOCKING, supports } from './cpu_rows.ts';
import type { BackwardCode } from './dispatches.ts';
import { backwardDispatches } from './dispatches.ts';
import { ROW_VECTORS } from './row_vectors.ts';
import type { BackwardAttrs } from './shapes.ts';

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
  let last = params.keys - 1u;
  var delta = vec4f();
  var q: Rows;
  var dy: Rows;
  var sum: Rows;
  for (var i = 0u; i < params.places / 4u; i++) {
    let r = i % 4u;
    let cotangent = load_dy(from_y[r] + i / 4u);
    delta[r] += dot(cotangent, load_y(from_y[r] + i / 4u));
    set_row(&dy, i, cotangent);
    set_row(&q, i, load_q(from_q[r] + i / 4u));
    set_row(&sum, i, vec4f());
  }
  let end = select(params.keys, min(params.keys, group.x * 32u + 32u), params.causal == 1u);
  let scale = params.scale * LOG2_E;
  var k0: Spread;
  var k1: Spread;
  var k2: Spread;
  var k3: Spread;
  for (var s = 0u; s < end; s += 4u) {
    var ds = Weights();
    for (var key = s; key < s + 4u; key++) {
      let from_k = k_at(batch, min(key, last), head);
      let from_v = v_at(batch, min(key, last), head);
      k0 = k1;
      k1 = k2;
      k2 = k3;
      var v: Spread;
      for (var c = 0u; c < PARTS; c++) {
        k3[c] = load_k(from_k + place_in(c, lane));
        v[c] = load_v(from_v + place_in(c, lane));
      }
      let seen = seen_by(t, key) & vec4<bool>(key <= last && attends(batch * params.keys + min(key, last)));
      let score = all_dots(&q, &k3, vec4f());
      let dp = all_dots(&dy, &v, -delta);
      ds = shifted(ds, select(vec4f(), exp2(score * scale - lse) * dp * params.scale, seen));
    }
    add_32(&sum, 0u, ds, k0[0], k1[0], k2[0], k3[0]);
    if (PARTS > 1u) {
      add_32(&sum, 1u, ds, k0[part(1u)], k1[part(1u)], k2[part(1u)], k3[part(1u)]);
    }
    if (PARTS > 2u) {
      add_32(&sum, 2u, ds, k0[part(2u)], k1[part(2u)], k2[part(2u)], k3[part(2u)]);
    }
    if (PARTS > 3u) {
      add_32(&sum, 3u, ds, k0[part(3u)], k1[part(3u)], k2[part(3u)], k3[part(3u)]);
    }
  }
  for (var i = 0u; i < params.places / 4u; i++) {
    let r = i % 4u;
    if (t[r] < params.queries) {
      store_dq(from_q[r] + i / 4u, row_of(&sum, i));
    }
  }
}
`;

const KEYS = /* wgsl */ `
/** A number for each row and each of two queries. Four would double the time that LLVM takes. */
struct Two {
  a: vec4f,
  b: vec4f,
}

fn weighed_two(p: Two, a: f32, b: f32, start: Each) -> Each {
  let v = fma(p.b, vec4f(b), fma(p.a, vec4f(a), vector(start)));
  return Each(v.x, v.y, v.z, v.w);
}

fn add_two_4(sum: ptr<function, Four>, p: Two, a: vec4f, b: vec4f) {
  (*sum)[0] = weighed_two(p, a.x, b.x, (*sum)[0]);
  (*sum)[1] = weighed_two(p, a.y, b.y, (*sum)[1]);
  (*sum)[2] = weighed_two(p, a.z, b.z, (*sum)[2]);
  (*sum)[3] = weighed_two(p, a.w, b.w, (*sum)[3]);
}

fn add_two_32(sum: ptr<function, Rows>, part: u32, p: Two, a: vec4f, b: vec4f) {
  let i = 8u * part;
  if (i + 0u < HEAD) {
    add_two_4(&(*sum)[i + 0u], p, subgroupBroadcast(a, 0u), subgroupBroadcast(b, 0u));
  }
  if (i + 1u < HEAD) {
    add_two_4(&(*sum)[i + 1u], p, subgroupBroadcast(a, 1u), subgroupBroadcast(b, 1u));
  }
  if (i + 2u < HEAD) {
    add_two_4(&(*sum)[i + 2u], p, subgroupBroadcast(a, 2u), subgroupBroadcast(b, 2u));
  }
  if (i + 3u < HEAD) {
    add_two_4(&(*sum)[i + 3u], p, subgroupBroadcast(a, 3u), subgroupBroadcast(b, 3u));
  }
  if (i + 4u < HEAD) {
    add_two_4(&(*sum)[i + 4u], p, subgroupBroadcast(a, 4u), subgroupBroadcast(b, 4u));
  }
  if (i + 5u < HEAD) {
    add_two_4(&(*sum)[i + 5u], p, subgroupBroadcast(a, 5u), subgroupBroadcast(b, 5u));
  }
  if (i + 6u < HEAD) {
    add_two_4(&(*sum)[i + 6u], p, subgroupBroadcast(a, 6u), subgroupBroadcast(b, 6u));
  }
  if (i + 7u < HEAD) {
    add_two_4(&(*sum)[i + 7u], p, subgroupBroadcast(a, 7u), subgroupBroadcast(b, 7u));
  }
}

fn add_two(sum: ptr<function, Rows>, p: Two, a: ptr<function, Spread>, b: ptr<function, Spread>) {
  add_two_32(sum, 0u, p, (*a)[0], (*b)[0]);
  if (PARTS > 1u) {
    add_two_32(sum, 1u, p, (*a)[part(1u)], (*b)[part(1u)]);
  }
  if (PARTS > 2u) {
    add_two_32(sum, 2u, p, (*a)[part(2u)], (*b)[part(2u)]);
  }
  if (PARTS > 3u) {
    add_two_32(sum, 3u, p, (*a)[part(3u)], (*b)[part(3u)]);
  }
}

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
  let last = params.queries - 1u;
  var k: Rows;
  var v: Rows;
  var sum_k: Rows;
  var sum_v: Rows;
  for (var i = 0u; i < params.places / 4u; i++) {
    let r = i % 4u;
    set_row(&k, i, load_k(from_k[r] + i / 4u));
    set_row(&v, i, load_v(from_v[r] + i / 4u));
    set_row(&sum_k, i, vec4f());
    set_row(&sum_v, i, vec4f());
  }
  let start = select(0u, group.x * 32u, params.causal == 1u);
  let scale = params.scale * LOG2_E;
  var q0: Spread;
  var q1: Spread;
  var dy0: Spread;
  var dy1: Spread;
  for (var t = start; t < params.queries; t += 2u) {
    var ds = Two();
    var p = Two();
    for (var query = t; query < t + 2u; query++) {
      let row = min(query, last);
      let from_q = q_at(batch, row, head);
      let from_y = y_at(batch, row, head);
      let lse = load_lse(row_at(batch, row, head)) * LOG2_E;
      var products = 0.0;
      q0 = q1;
      dy0 = dy1;
      for (var c = 0u; c < PARTS; c++) {
        q1[c] = load_q(from_q + place_in(c, lane));
        dy1[c] = load_dy(from_y + place_in(c, lane));
        products += select(0.0, dot(dy1[c], load_y(from_y + place_in(c, lane))), 8u * c + lane < HEAD);
      }
      let delta = subgroupAdd(products);
      let seen = takes_part & vec4<bool>(query <= last) & ((s <= vec4u(query)) | vec4<bool>(params.causal == 0u));
      let score = all_dots(&k, &q1, vec4f());
      let dp = all_dots(&v, &dy1, vec4f(-delta));
      let now = select(vec4f(), exp2(score * scale - lse), seen);
      p = Two(p.b, now);
      ds = Two(ds.b, now * dp * params.scale);
    }
    add_two(&sum_k, ds, &q0, &q1);
    add_two(&sum_v, p, &dy0, &dy1);
  }
  for (var i = 0u; i < params.places / 4u; i++) {
    let r = i % 4u;
    if (s[r] < params.keys) {
      store_dk(from_k[r] + i / 4u, row_of(&sum_k, i));
      store_dv(from_v[r] + i / 4u, row_of(&sum_v, i));
    }
  }
}
`;

const CODE: BackwardCode = { query: QUERY, keys: KEYS, common: ROW_VECTORS };

export const cpuRowsBackward: Variant<BackwardAttrs> = {
  name: 'cpu_rows',
  supports,
  // LLVM compiles both halves in one kernel to code that runs at half the speed of each alone.
  dispatches: (site, caps) => backwardDispatches(site, caps, BLOCKING, CODE, true),
};
