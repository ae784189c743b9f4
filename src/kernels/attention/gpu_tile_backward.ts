/**
 * The gradients of attention on GPUs, in the tiles of gpu_tile.ts. For dq a workgroup has 32 query rows and goes over tiles of
 * keys; for dk and dv it has 32 key rows and goes over tiles of queries. Probabilities are recomputed; see backward.ts for
 * the formulas.
 */
import type { Variant } from '../../tensor/op.ts';
import type { BackwardCode } from './dispatches.ts';
import { backwardDispatches } from './dispatches.ts';
import { BLOCKING, supports, TILES } from './gpu_tile.ts';
import type { BackwardAttrs } from './shapes.ts';

const COMMON = /* wgsl */ `
fn dy_part(batch: u32, t: u32, head: u32, column: u32) -> vec4f {
  let x = load_dy(y_at(batch, min(t, params.queries - 1u), head) + min(column, HEAD - 1u));
  return select(vec4f(), x, (t < params.queries) & (column < HEAD));
}

// The term that one vec4 adds to delta; \`dy\` is its dy_part, which is zero outside.
fn delta_part(batch: u32, t: u32, head: u32, column: u32, dy: vec4f) -> f32 {
  return dot(load_y(y_at(batch, min(t, params.queries - 1u), head) + min(column, HEAD - 1u)), dy);
}

fn delta_of(row: u32) -> f32 {
  var delta = 0.0;
  for (var x = 0u; x < 8u; x++) {
    delta += partial[row * 8u + x];
  }
  return delta;
}

fn lse_of(batch: u32, t: u32, head: u32) -> f32 {
  return load_lse(row_at(batch, min(t, params.queries - 1u), head));
}
`;

/** Rows of the tile are queries, columns keys. */
const QUERY = /* wgsl */ `
fn backward_query(group: vec3u, lane: u32) {
  let tx = lane % 8u;
  let ty = lane / 8u;
  let first = 32u * group.x;
  let head = group.y;
  let batch = group.z;
  for (var r = ty; r < 32u; r += 8u) {
    var sum = 0.0;
    for (var c = tx; c < HEAD; c += 8u) {
      sum += delta_part(batch, first + r, head, c, dy_part(batch, first + r, head, c));
    }
    partial[r * 8u + tx] = sum;
  }
  workgroupBarrier();
  var delta: vec4f;
  var lse: vec4f;
  for (var i = 0u; i < 4u; i++) {
    delta[i] = delta_of(4u * ty + i);
    lse[i] = lse_of(batch, first + 4u * ty + i, head);
  }
  var sum: array<Four, SLICES>;
  let end = select(params.keys, min(params.keys, first + 32u), params.causal == 1u);
  for (var s0 = 0u; s0 < end; s0 += 32u) {
    var scores = Four();
    var dp = Four();
    for (var c = 0u; c < SLICES; c++) {
      let columns = min(8u, HEAD - 8u * c);
      workgroupBarrier();
      for (var r = ty; r < 32u; r += 8u) {
        tile[LEFT + place(r) + tx] = q_part(batch, first + r, head, 8u * c + tx);
        tile[RIGHT + place(r) + tx] = k_part(batch, s0 + r, head, 8u * c + tx);
      }
      workgroupBarrier();
      scores = add_dots(scores, tx, ty, columns);
      workgroupBarrier();
      for (var r = ty; r < 32u; r += 8u) {
        tile[LEFT + place(r) + tx] = dy_part(batch, first + r, head, 8u * c + tx);
        tile[RIGHT + place(r) + tx] = v_part(batch, s0 + r, head, 8u * c + tx);
      }
      workgroupBarrier();
      dp = add_dots(dp, tx, ty, columns);
    }
    let s = s0 + 4u * tx;
    for (var i = 0u; i < 4u; i++) {
      let t = first + 4u * ty + i;
      let seen = vec4<bool>(
        sees(batch, t, s), sees(batch, t, s + 1u), sees(batch, t, s + 2u), sees(batch, t, s + 3u));
      let p = select(vec4f(), exp(scores[i] * params.scale - lse[i]), seen);
      tile[WEIGHTS + (8u * i + ty) * ROW + tx] = p * (dp[i] - delta[i]) * params.scale;
    }
    for (var c = 0u; c < SLICES; c++) {
      workgroupBarrier();
      for (var r = ty; r < 32u; r += 8u) {
        tile[RIGHT + place(r) + tx] = k_part(batch, s0 + r, head, 8u * c + tx);
      }
      workgroupBarrier();
      sum[c] = add_weighted(sum[c], WEIGHTS, tx, ty);
    }
  }
  for (var i = 0u; i < 4u; i++) {
    let t = first + 4u * ty + i;
    for (var c = 0u; c < SLICES; c++) {
      if (t < params.queries && 8u * c + tx < HEAD) {
        store_dq(q_at(batch, t, head) + 8u * c + tx, sum[c][i]);
      }
    }
  }
}
`;

/** Rows of the tile are keys, columns queries. */
const KEYS = /* wgsl */ `
fn backward_keys(group: vec3u, lane: u32) {
  let tx = lane % 8u;
  let ty = lane / 8u;
  let first = 32u * group.x;
  let head = group.y;
  let batch = group.z;
  var sum_k: array<Four, SLICES>;
  var sum_v: array<Four, SLICES>;
  let start = select(0u, first, params.causal == 1u);
  for (var t0 = start; t0 < params.queries; t0 += 32u) {
    var scores = Four();
    var dp = Four();
    var products = vec4f();
    for (var c = 0u; c < SLICES; c++) {
      let columns = min(8u, HEAD - 8u * c);
      workgroupBarrier();
      for (var r = ty; r < 32u; r += 8u) {
        tile[LEFT + place(r) + tx] = k_part(batch, first + r, head, 8u * c + tx);
        tile[RIGHT + place(r) + tx] = q_part(batch, t0 + r, head, 8u * c + tx);
      }
      workgroupBarrier();
      scores = add_dots(scores, tx, ty, columns);
      workgroupBarrier();
      for (var n = 0u; n < 4u; n++) {
        let r = ty + 8u * n;
        let dy = dy_part(batch, t0 + r, head, 8u * c + tx);
        products[n] += delta_part(batch, t0 + r, head, 8u * c + tx, dy);
        tile[LEFT + place(r) + tx] = v_part(batch, first + r, head, 8u * c + tx);
        tile[RIGHT + place(r) + tx] = dy;
      }
      workgroupBarrier();
      dp = add_dots(dp, tx, ty, columns);
    }
    for (var n = 0u; n < 4u; n++) {
      partial[(ty + 8u * n) * 8u + tx] = products[n];
    }
    workgroupBarrier();
    let t = t0 + 4u * tx;
    let delta = vec4f(
      delta_of(4u * tx), delta_of(4u * tx + 1u), delta_of(4u * tx + 2u), delta_of(4u * tx + 3u));
    let lse = vec4f(
      lse_of(batch, t, head), lse_of(batch, t + 1u, head), lse_of(batch, t + 2u, head), lse_of(batch, t + 3u, head));
    for (var i = 0u; i < 4u; i++) {
      let s = first + 4u * ty + i;
      let seen = vec4<bool>(
        sees(batch, t, s), sees(batch, t + 1u, s), sees(batch, t + 2u, s), sees(batch, t + 3u, s));
      let p = select(vec4f(), exp(scores[i] * params.scale - lse), seen);
      tile[WEIGHTS + (8u * i + ty) * ROW + tx] = p;
      tile[LEFT + (8u * i + ty) * ROW + tx] = p * (dp[i] - delta) * params.scale;
    }
    for (var c = 0u; c < SLICES; c++) {
      workgroupBarrier();
      for (var r = ty; r < 32u; r += 8u) {
        tile[RIGHT + place(r) + tx] = dy_part(batch, t0 + r, head, 8u * c + tx);
      }
      workgroupBarrier();
      sum_v[c] = add_weighted(sum_v[c], WEIGHTS, tx, ty);
      workgroupBarrier();
      for (var r = ty; r < 32u; r += 8u) {
        tile[RIGHT + place(r) + tx] = q_part(batch, t0 + r, head, 8u * c + tx);
      }
      workgroupBarrier();
      sum_k[c] = add_weighted(sum_k[c], LEFT, tx, ty);
    }
  }
  for (var i = 0u; i < 4u; i++) {
    let s = first + 4u * ty + i;
    for (var c = 0u; c < SLICES; c++) {
      if (s < params.keys && 8u * c + tx < HEAD) {
        store_dk(k_at(batch, s, head) + 8u * c + tx, sum_k[c][i]);
        store_dv(v_at(batch, s, head) + 8u * c + tx, sum_v[c][i]);
      }
    }
  }
}
`;

const CODE: BackwardCode = { query: QUERY, keys: KEYS, common: COMMON + TILES };

export const gpuTileBackward: Variant<BackwardAttrs> = {
  name: 'gpu_tile',
  supports,
  dispatches: (site, caps) => backwardDispatches(site, caps, BLOCKING, CODE),
};
