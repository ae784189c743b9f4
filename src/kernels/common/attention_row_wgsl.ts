/**
 * Attention for CPU drivers with subgroups of 8: a lane is a query row (or a key row), which keeps its own vectors in
 * registers; what all lanes need is loaded 8 elements at once, a lane each, and spread by broadcast (see
 * subgroup_tile.ts for why). HEAD is D, a multiple of 8; CHUNKS = D / 8.
 */

/** Eight values a lane: elements 8 c … 8 c + 7 of its own row. */
export const ROW_CHUNKS = /* wgsl */ `
struct Chunk { low: vec4f, high: vec4f }

fn spread(v: f32) -> Chunk {
  return Chunk(
    vec4f(subgroupBroadcast(v, 0u), subgroupBroadcast(v, 1u), subgroupBroadcast(v, 2u), subgroupBroadcast(v, 3u)),
    vec4f(subgroupBroadcast(v, 4u), subgroupBroadcast(v, 5u), subgroupBroadcast(v, 6u), subgroupBroadcast(v, 7u)),
  );
}

fn dot8(a: Chunk, b: Chunk) -> f32 {
  return dot(a.low, b.low) + dot(a.high, b.high);
}

fn add_scaled(sum: Chunk, factor: f32, x: Chunk) -> Chunk {
  return Chunk(fma(vec4f(factor), x.low, sum.low), fma(vec4f(factor), x.high, sum.high));
}
`;

/** A workgroup is 8 query rows of a head. */
export const ATTENTION_V4 = /* wgsl */ `
fn own_q(i: u32) -> Chunk {
  return Chunk(
    vec4f(load_q(i), load_q(i + 1u), load_q(i + 2u), load_q(i + 3u)),
    vec4f(load_q(i + 4u), load_q(i + 5u), load_q(i + 6u), load_q(i + 7u)),
  );
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let t = group.x * 8u + lane;
  let row = min(t, params.queries - 1u);
  let head = group.y;
  let batch = group.z;
  let from_q = q_at(batch, row, head);
  var q: array<Chunk, CHUNKS>;
  var sum: array<Chunk, CHUNKS>;
  for (var c = 0u; c < CHUNKS; c++) {
    q[c] = own_q(from_q + 8u * c);
    sum[c] = Chunk();
  }
  let end = select(params.keys, min(params.keys, group.x * 8u + 8u), params.causal == 1u);
  var highest = -3.0e38;
  var total = 0.0;
  for (var s = 0u; s < end; s++) {
    let from_k = k_at(batch, s, head);
    let from_v = v_at(batch, s, head);
    var score = 0.0;
    for (var c = 0u; c < CHUNKS; c++) {
      score += dot8(q[c], spread(load_k(from_k + 8u * c + lane)));
    }
    let seen = attends(batch * params.keys + s) && (params.causal == 0u || s <= t);
    score = select(-3.0e38, score * params.scale, seen);
    let before = highest;
    highest = max(highest, score);
    let shrink = exp(before - highest);
    let p = select(0.0, exp(score - highest), seen);
    total = total * shrink + p;
    for (var c = 0u; c < CHUNKS; c++) {
      let old = Chunk(sum[c].low * shrink, sum[c].high * shrink);
      sum[c] = add_scaled(old, p, spread(load_v(from_v + 8u * c + lane)));
    }
  }
  let any_key = total > 0.0;
  let inverse = select(0.0, 1.0 / total, any_key);
  if (t < params.queries) {
    for (var c = 0u; c < CHUNKS; c++) {
      let i = y_at(batch, t, head) + 8u * c;
      let low = sum[c].low * inverse;
      let high = sum[c].high * inverse;
      store_y(i, low.x);
      store_y(i + 1u, low.y);
      store_y(i + 2u, low.z);
      store_y(i + 3u, low.w);
      store_y(i + 4u, high.x);
      store_y(i + 5u, high.y);
      store_y(i + 6u, high.z);
      store_y(i + 7u, high.w);
    }
    store_lse(row_at(batch, t, head), select(0.0, highest + log(total), any_key));
  }
}
`;

/** A workgroup is 8 query rows of a head; k of the key at hand stays spread, it is used twice. */
export const ATTENTION_BACKWARD_QUERY_V4 = /* wgsl */ `
fn own_q(i: u32) -> Chunk {
  return Chunk(
    vec4f(load_q(i), load_q(i + 1u), load_q(i + 2u), load_q(i + 3u)),
    vec4f(load_q(i + 4u), load_q(i + 5u), load_q(i + 6u), load_q(i + 7u)),
  );
}

fn own_y(i: u32) -> Chunk {
  return Chunk(
    vec4f(load_y(i), load_y(i + 1u), load_y(i + 2u), load_y(i + 3u)),
    vec4f(load_y(i + 4u), load_y(i + 5u), load_y(i + 6u), load_y(i + 7u)),
  );
}

fn own_dy(i: u32) -> Chunk {
  return Chunk(
    vec4f(load_dy(i), load_dy(i + 1u), load_dy(i + 2u), load_dy(i + 3u)),
    vec4f(load_dy(i + 4u), load_dy(i + 5u), load_dy(i + 6u), load_dy(i + 7u)),
  );
}

fn backward_query(group: vec3u, lane: u32) {
  let t = group.x * 8u + lane;
  let query = min(t, params.queries - 1u);
  let head = group.y;
  let batch = group.z;
  let from_q = q_at(batch, query, head);
  let from_y = y_at(batch, query, head);
  let lse = load_lse(row_at(batch, query, head));
  var delta = 0.0;
  var q: array<Chunk, CHUNKS>;
  var dy: array<Chunk, CHUNKS>;
  var sum: array<Chunk, CHUNKS>;
  for (var c = 0u; c < CHUNKS; c++) {
    q[c] = own_q(from_q + 8u * c);
    dy[c] = own_dy(from_y + 8u * c);
    delta += dot8(own_y(from_y + 8u * c), dy[c]);
    sum[c] = Chunk();
  }
  let end = select(params.keys, min(params.keys, group.x * 8u + 8u), params.causal == 1u);
  for (var s = 0u; s < end; s++) {
    let from_k = k_at(batch, s, head);
    let from_v = v_at(batch, s, head);
    var k: array<Chunk, CHUNKS>;
    var score = 0.0;
    var dp = 0.0;
    for (var c = 0u; c < CHUNKS; c++) {
      k[c] = spread(load_k(from_k + 8u * c + lane));
      score += dot8(q[c], k[c]);
      dp += dot8(dy[c], spread(load_v(from_v + 8u * c + lane)));
    }
    let seen = attends(batch * params.keys + s) && (params.causal == 0u || s <= t);
    let ds = select(0.0, exp(score * params.scale - lse) * (dp - delta) * params.scale, seen);
    for (var c = 0u; c < CHUNKS; c++) {
      sum[c] = add_scaled(sum[c], ds, k[c]);
    }
  }
  if (t < params.queries) {
    for (var c = 0u; c < CHUNKS; c++) {
      let i = from_q + 8u * c;
      let x = sum[c];
      store_dq(i, x.low.x);
      store_dq(i + 1u, x.low.y);
      store_dq(i + 2u, x.low.z);
      store_dq(i + 3u, x.low.w);
      store_dq(i + 4u, x.high.x);
      store_dq(i + 5u, x.high.y);
      store_dq(i + 6u, x.high.z);
      store_dq(i + 7u, x.high.w);
    }
  }
}
`;

/** A workgroup is 8 key rows of a head; q and dy of the query at hand stay spread, they are used twice. */
export const ATTENTION_BACKWARD_KEYS_V4 = /* wgsl */ `
fn own_k(i: u32) -> Chunk {
  return Chunk(
    vec4f(load_k(i), load_k(i + 1u), load_k(i + 2u), load_k(i + 3u)),
    vec4f(load_k(i + 4u), load_k(i + 5u), load_k(i + 6u), load_k(i + 7u)),
  );
}

fn own_v(i: u32) -> Chunk {
  return Chunk(
    vec4f(load_v(i), load_v(i + 1u), load_v(i + 2u), load_v(i + 3u)),
    vec4f(load_v(i + 4u), load_v(i + 5u), load_v(i + 6u), load_v(i + 7u)),
  );
}

fn backward_keys(group: vec3u, lane: u32) {
  let s = group.x * 8u + lane;
  let key = min(s, params.keys - 1u);
  let head = group.y;
  let batch = group.z;
  let from_k = k_at(batch, key, head);
  let from_v = v_at(batch, key, head);
  let takes_part = attends(batch * params.keys + key);
  var k: array<Chunk, CHUNKS>;
  var v: array<Chunk, CHUNKS>;
  var sum_k: array<Chunk, CHUNKS>;
  var sum_v: array<Chunk, CHUNKS>;
  for (var c = 0u; c < CHUNKS; c++) {
    k[c] = own_k(from_k + 8u * c);
    v[c] = own_v(from_v + 8u * c);
    sum_k[c] = Chunk();
    sum_v[c] = Chunk();
  }
  let start = select(0u, group.x * 8u, params.causal == 1u);
  for (var t = start; t < params.queries; t++) {
    let from_q = q_at(batch, t, head);
    let from_y = y_at(batch, t, head);
    var q: array<Chunk, CHUNKS>;
    var dy: array<Chunk, CHUNKS>;
    var score = 0.0;
    var dp = 0.0;
    var products = 0.0;
    for (var c = 0u; c < CHUNKS; c++) {
      q[c] = spread(load_q(from_q + 8u * c + lane));
      let own = load_dy(from_y + 8u * c + lane);
      dy[c] = spread(own);
      products += own * load_y(from_y + 8u * c + lane);
      score += dot8(k[c], q[c]);
      dp += dot8(v[c], dy[c]);
    }
    let seen = takes_part && (params.causal == 0u || s <= t);
    let p = select(0.0, exp(score * params.scale - load_lse(row_at(batch, t, head))), seen);
    let ds = p * (dp - subgroupAdd(products)) * params.scale;
    for (var c = 0u; c < CHUNKS; c++) {
      sum_k[c] = add_scaled(sum_k[c], ds, q[c]);
      sum_v[c] = add_scaled(sum_v[c], p, dy[c]);
    }
  }
  if (s < params.keys) {
    for (var c = 0u; c < CHUNKS; c++) {
      let i = from_k + 8u * c;
      let x = sum_k[c];
      store_dk(i, x.low.x);
      store_dk(i + 1u, x.low.y);
      store_dk(i + 2u, x.low.z);
      store_dk(i + 3u, x.low.w);
      store_dk(i + 4u, x.high.x);
      store_dk(i + 5u, x.high.y);
      store_dk(i + 6u, x.high.z);
      store_dk(i + 7u, x.high.w);
      let z = sum_v[c];
      let j = from_v + 8u * c;
      store_dv(j, z.low.x);
      store_dv(j + 1u, z.low.y);
      store_dv(j + 2u, z.low.z);
      store_dv(j + 3u, z.low.w);
      store_dv(j + 4u, z.high.x);
      store_dv(j + 5u, z.high.y);
      store_dv(j + 6u, z.high.z);
      store_dv(j + 7u, z.high.w);
    }
  }
}
`;
