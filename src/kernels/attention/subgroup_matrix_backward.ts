/**
 * The gradients of attention on matrix units. With p = exp(scale q kᵀ − lse), delta = Σ y dy of a row and
 * ds = p (dy vᵀ − delta): dq = scale ds k, dk = scale dsᵀ q, dv = pᵀ dy (FlashAttention-2: Dao 2023).
 *
 * Two subgroups (times SPLIT, as forwards) share MATRIX_M rows: the first computes their scores and p, the second the product
 * with dy or v, and from p what ds is. Then each has a product left: for the rows of keys dv = pᵀ dy and dk = dsᵀ q; for the rows
 * of queries, where only dq = ds k is left, each makes every other matrix of dq. The other side's rows are staged in pairs: q and
 * dy, or k and v.
 */
import type { DeviceCaps } from '../../tensor/device/device_caps.ts';
import type { Variant } from '../../tensor/op.ts';
import type { BackwardCode, Blocking } from './dispatches.ts';
import { backwardDispatches } from './dispatches.ts';
import type { AttentionSite, BackwardAttrs } from './shapes.ts';
import { siteSizes } from './shapes.ts';
import { MATRICES, type MatrixBlocking, matrixBlocking, roundOf, roundsWork } from './subgroup_matrix.ts';

/** The largest slice of a head whose operands and sums a subgroup can hold in registers. */
const MAX_SLICE = 80;
/** Rows have a pair of subgroups for each slice, so no more than four slices; for them it may be longer, at a few spilled registers. */
const MAX_SPLIT = 4;
const LONG_SLICE = 128;
/** With 32 rows the gradients take 240 registers on RDNA3, with 16 they leave room for eight waves and more. */
const TILES = [16, 32];
const PADDING = 8;

const COMMON = /* wgsl */ `
const ROWS = SUBGROUPS / SPLIT / 2u * MATRIX_M;
/** Where the second of two tiles begins. */
const SECOND = TILE_KEYS * STRIDE;
/** ds is multiplied by it for its time in f16, whose small numbers are coarse. */
const GAIN = 64.0;

var<workgroup> tile: array<f16, 2u * SECOND>;
/** p of the workgroup's rows, then ds. */
var<workgroup> weights: array<f16, 2u * ROWS * WEIGHT_STRIDE>;

fn put(i: u32, x: Four) {
  tile[i] = x.x;
  tile[i + 1u] = x.y;
  tile[i + 2u] = x.z;
  tile[i + 3u] = x.w;
}

fn put_item(to: u32, item: u32, x: vec4f, row: u32, rows: u32) {
  if (item < TILE_KEYS * FOURS) {
    let inside = item % FOURS < HEAD && row < rows;
    put(to + item / FOURS * STRIDE + item % FOURS * 4u, select(Four(), Four(x), inside));
  }
}

/** Stages rows \`first\` … of q and dy. */
fn put_queries(batch: u32, head: u32, first: u32, index: u32) {
  for (var i = 0u; i < ITEMS; i++) {
    let item = index + i * LANES;
    let t = first + item / FOURS;
    let row = min(t, params.queries - 1u);
    let c = min(item % FOURS, HEAD - 1u);
    put_item(0u, item, load_q(q_at(batch, row, head) + c), t, params.queries);
    put_item(SECOND, item, load_dy(y_at(batch, row, head) + c), t, params.queries);
  }
}

/** Stages rows \`first\` … of k and v. */
fn put_keys(batch: u32, head: u32, first: u32, index: u32) {
  for (var i = 0u; i < ITEMS; i++) {
    let item = index + i * LANES;
    let s = first + item / FOURS;
    let row = min(s, params.keys - 1u);
    let c = min(item % FOURS, HEAD - 1u);
    put_item(0u, item, load_k(k_at(batch, row, head) + c), s, params.keys);
    put_item(SECOND, item, load_v(v_at(batch, row, head) + c), s, params.keys);
  }
}

/** Where an invocation and its subgroup are. \`role\` 0 has p, 1 has ds. */
struct Lane { role: u32, band: u32, slice: u32, mine: u32, shared_by: u32, row: u32, own: u32, lane: u32 }

fn lane_of(index: u32) -> Lane {
  let subgroup = subgroupBroadcastFirst(index / SUBGROUP);
  let pair = subgroup / SPLIT;
  let lane = index % SUBGROUP;
  return Lane(
    pair % 2u, pair / 2u * MATRIX_M, subgroup % SPLIT * SLICE, subgroup * MATRIX, pair * SPLIT * MATRIX,
    lane / PER_ROW, lane % PER_ROW * OWN, lane,
  );
}

/** An element of the own role's part of \`weights\`. */
fn weight_at(l: Lane, column: u32) -> u32 {
  return (l.role * ROWS + l.band + l.row) * WEIGHT_STRIDE + column;
}

fn put_ds(l: Lane, column: u32, x: f32) {
  weights[weight_at(l, column)] = f16(f32(weights[(l.band + l.row) * WEIGHT_STRIDE + column]) * x * GAIN);
}
`;

/** The subgroup's own rows as matrices: of what is staged first for role 0, of what is staged second for role 1. */
const ownRows = (stage: 'put_queries' | 'put_keys'): string => /* wgsl */ `
  var left: array<Left, DEPTH>;
  for (var r = 0u; r < ROWS; r += TILE_KEYS) {
    ${stage}(batch, head, first + r, index);
    workgroupBarrier();
    if (l.band / TILE_KEYS == r / TILE_KEYS) {
      for (var d = 0u; d < DEPTH; d++) {
        let start = l.role * SECOND + (l.band - r) * STRIDE + l.slice + d * MATRIX_K;
        left[d] = subgroupMatrixLoad<Left, row_major>(&tile, start, STRIDE);
      }
    }
    workgroupBarrier();
  }
`;

/** The own rows times the staged ones, panel by panel: a matrix of the role's products in \`stage\`. */
const PRODUCT = /* wgsl */ `
      var product = Sum();
      for (var d = 0u; d < DEPTH; d++) {
        let start = l.role * SECOND + j * MATRIX_N * STRIDE + l.slice + d * MATRIX_K;
        let right = subgroupMatrixLoad<Right, col_major>(&tile, start, STRIDE);
        product = subgroupMatrixMultiplyAccumulate(left[d], right, product);
      }
      subgroupMatrixStore<row_major>(&stage, l.mine, product, MATRIX_N);
`;

const QUERY = /* wgsl */ `
/** Matrices of dq of one role. */
const HALF = (OUTS + 1u) / 2u;

fn backward_query(group: vec3u, index: u32) {
  let l = lane_of(index);
  let head = group.y;
  let batch = group.z;
  let first = group.x * ROWS;
  let t = first + l.band + l.row;
  let my_row = min(t, params.queries - 1u);
  let scale = params.scale * LOG2E;
  // 1. The rows' q and dy, and what of them is the same for all keys.
${ownRows('put_queries')}
  var delta = 0.0;
  for (var c = l.lane % PER_ROW; c < HEAD; c += PER_ROW) {
    let i = y_at(batch, my_row, head) + c;
    delta += dot(load_dy(i), load_y(i));
  }
  delta = row_sum(delta);
  let lse = load_lse(row_at(batch, my_row, head)) * LOG2E;
  var sums: array<Sum, HALF>;
  let end = select(params.keys, min(params.keys, first + ROWS), params.causal == 1u);
  for (var s0 = 0u; s0 < end; s0 += TILE_KEYS) {
    // 2. Scores and p (role 0), dy vᵀ − delta (role 1).
    put_keys(batch, head, s0, index);
    workgroupBarrier();
    var dp: array<array<f32, OWN>, PANELS>;
    for (var j = 0u; j < PANELS; j++) {
${PRODUCT}
      workgroupBarrier();
      for (var e = 0u; e < OWN; e++) {
        let x = staged(l.shared_by, l.row * MATRIX_N + l.own + e);
        dp[j][e] = x - delta;
        let column = j * MATRIX_N + l.own + e;
        let s = s0 + column;
        let seen = s < params.keys && (params.causal == 0u || s <= t)
          && attends(batch * params.keys + min(s, params.keys - 1u));
        if (l.role == 0u && l.slice == 0u) {
          weights[weight_at(l, column)] = f16(select(0.0, exp2(x * scale - lse), seen));
        }
      }
      workgroupBarrier();
    }
    // 3. ds, and its product with k.
    if (l.role == 1u && l.slice == 0u) {
      for (var j = 0u; j < PANELS; j++) {
        for (var e = 0u; e < OWN; e++) {
          put_ds(l, j * MATRIX_N + l.own + e, dp[j][e]);
        }
      }
    }
    workgroupBarrier();
    for (var c = 0u; c < TILE_KEYS; c += MATRIX_K) {
      let ds = subgroupMatrixLoad<Left, row_major>(&weights, (ROWS + l.band) * WEIGHT_STRIDE + c, WEIGHT_STRIDE);
      for (var i = 0u; i < HALF; i++) {
        let o = 2u * i + l.role;
        if (OUTS % 2u == 0u || o < OUTS) {
          let right = subgroupMatrixLoad<Right, row_major>(&tile, c * STRIDE + l.slice + o * MATRIX_N, STRIDE);
          sums[i] = subgroupMatrixMultiplyAccumulate(ds, right, sums[i]);
        }
      }
    }
    workgroupBarrier();
  }
  // 4. dq.
  for (var i = 0u; i < HALF; i++) {
    let o = 2u * i + l.role;
    subgroupMatrixStore<row_major>(&stage, l.mine, sums[i], MATRIX_N);
    workgroupBarrier();
    for (var e = l.lane; e < MATRIX / 4u; e += SUBGROUP) {
      let row = first + l.band + e / (MATRIX_N / 4u);
      let c = (l.slice + o * MATRIX_N) / 4u + e % (MATRIX_N / 4u);
      let p = l.mine + e * 4u;
      if (row < params.queries && c < HEAD && o < OUTS) {
        let v = vec4f(stage[p], stage[p + 1u], stage[p + 2u], stage[p + 3u]);
        store_dq(q_at(batch, row, head) + c, v * (params.scale / GAIN));
      }
    }
    workgroupBarrier();
  }
}
`;

const KEYS = /* wgsl */ `
/** Invocations that find delta of one query together. */
const DELTA_LANES = 8u;

/** Of the staged queries: lse in log2 units, and delta. */
var<workgroup> rows: array<vec2f, TILE_KEYS>;

fn put_rows(batch: u32, head: u32, first: u32, index: u32) {
  for (var r0 = 0u; r0 < TILE_KEYS; r0 += LANES / DELTA_LANES) {
    let r = r0 + index / DELTA_LANES;
    let row = min(first + r, params.queries - 1u);
    var delta = 0.0;
    for (var c = index % DELTA_LANES; c < HEAD; c += DELTA_LANES) {
      let i = y_at(batch, row, head) + c;
      delta += dot(load_dy(i), load_y(i));
    }
    delta += subgroupShuffleXor(delta, 1u);
    delta += subgroupShuffleXor(delta, 2u);
    delta += subgroupShuffleXor(delta, 4u);
    if (index % DELTA_LANES == 0u && r < TILE_KEYS) {
      rows[r] = vec2f(load_lse(row_at(batch, row, head)) * LOG2E, delta);
    }
  }
}

fn backward_keys(group: vec3u, index: u32) {
  let l = lane_of(index);
  let head = group.y;
  let batch = group.z;
  let first = group.x * ROWS;
  let s = first + l.band + l.row;
  let scale = params.scale * LOG2E;
  // 1. The rows' k and v.
${ownRows('put_keys')}
  let is_key = s < params.keys && attends(batch * params.keys + min(s, params.keys - 1u));
  var sums: array<Sum, OUTS>;
  let start = select(0u, first / TILE_KEYS * TILE_KEYS, params.causal == 1u);
  for (var t0 = start; t0 < params.queries; t0 += TILE_KEYS) {
    // 2. Scores and p, transposed (role 0), v dyᵀ − delta (role 1).
    put_queries(batch, head, t0, index);
    put_rows(batch, head, t0, index);
    workgroupBarrier();
    var dp: array<array<f32, OWN>, PANELS>;
    for (var j = 0u; j < PANELS; j++) {
${PRODUCT}
      workgroupBarrier();
      for (var e = 0u; e < OWN; e++) {
        let x = staged(l.shared_by, l.row * MATRIX_N + l.own + e);
        let column = j * MATRIX_N + l.own + e;
        let t = t0 + column;
        dp[j][e] = x - rows[column].y;
        let seen = is_key && t < params.queries && (params.causal == 0u || s <= t);
        if (l.role == 0u && l.slice == 0u) {
          weights[weight_at(l, column)] = f16(select(0.0, exp2(x * scale - rows[column].x), seen));
        }
      }
      workgroupBarrier();
    }
    // 3. ds; then pᵀ dy (role 0) and dsᵀ q (role 1).
    if (l.role == 1u && l.slice == 0u) {
      for (var j = 0u; j < PANELS; j++) {
        for (var e = 0u; e < OWN; e++) {
          put_ds(l, j * MATRIX_N + l.own + e, dp[j][e]);
        }
      }
    }
    workgroupBarrier();
    for (var c = 0u; c < TILE_KEYS; c += MATRIX_K) {
      let left = subgroupMatrixLoad<Left, row_major>(&weights, (l.role * ROWS + l.band) * WEIGHT_STRIDE + c, WEIGHT_STRIDE);
      for (var o = 0u; o < OUTS; o++) {
        let start = (1u - l.role) * SECOND + c * STRIDE + l.slice + o * MATRIX_N;
        let right = subgroupMatrixLoad<Right, row_major>(&tile, start, STRIDE);
        sums[o] = subgroupMatrixMultiplyAccumulate(left, right, sums[o]);
      }
    }
    workgroupBarrier();
  }
  // 4. dv (role 0) and dk (role 1).
  for (var o = 0u; o < OUTS; o++) {
    subgroupMatrixStore<row_major>(&stage, l.mine, sums[o], MATRIX_N);
    workgroupBarrier();
    for (var e = l.lane; e < MATRIX / 4u; e += SUBGROUP) {
      let row = first + l.band + e / (MATRIX_N / 4u);
      let c = (l.slice + o * MATRIX_N) / 4u + e % (MATRIX_N / 4u);
      let p = l.mine + e * 4u;
      let v = vec4f(stage[p], stage[p + 1u], stage[p + 2u], stage[p + 3u]);
      if (row < params.keys && c < HEAD) {
        if (l.role == 0u) {
          store_dv(v_at(batch, row, head) + c, v);
        } else {
          store_dk(k_at(batch, row, head) + c, v * (params.scale / GAIN));
        }
      }
    }
    workgroupBarrier();
  }
}
`;

const CODE: BackwardCode = { query: QUERY, keys: KEYS, common: MATRICES + COMMON };

function blockingOf(site: AttentionSite, caps: DeviceCaps): MatrixBlocking | null {
  const maxSlice = (split: number): number => (split < MAX_SPLIT ? MAX_SLICE : LONG_SLICE);
  return matrixBlocking(site, caps, maxSlice, TILES, (split, tileKeys, stride, subgroups, matrix) => {
    const rows = (subgroups / split) * 8;
    return 2 * (2 * tileKeys * stride + 2 * rows * (tileKeys + PADDING)) + 4 * subgroups * matrix + 8 * tileKeys;
  });
}

export const subgroupMatrixBackward: Variant<BackwardAttrs> = {
  name: 'subgroup_matrix',
  supports: (site, caps) => (blockingOf(site, caps)?.split ?? Number.POSITIVE_INFINITY) <= MAX_SPLIT,
  dispatches: (site, caps) => {
    const found = blockingOf(site, caps);
    if (!found) {
      throw new Error('attention_backward.subgroup_matrix needs f16 matrices in subgroups');
    }
    const { constants, split, attribute } = found;
    const subgroups = (constants.LANES ?? 0) / (constants.SUBGROUP ?? 1);
    const rows = (subgroups * (constants.MATRIX_M ?? 0)) / split / 2;
    const blocking: Blocking = {
      name: 'subgroup_matrix',
      rows,
      vec: 4,
      attribute,
      constants: () => ({ Element: 'vec4f', ...constants }),
      matrixWork: (share) => {
        const { scores, weighted } = roundOf(found);
        const { queries, keys } = siteSizes(site);
        const outs = (constants.SLICE ?? 0) / (constants.MATRIX_N ?? 1);
        // For dq each of two subgroups has every other matrix.
        const half = (weighted / outs) * Math.ceil(outs / 2);
        const ofQueries = { multiplications: scores + half, all: subgroups * (scores + weighted / 2) };
        const ofKeys = { multiplications: scores + weighted, all: subgroups * (scores + weighted) };
        return roundsWork(site, found, [
          ...(share === 'all' || share === 'query' ? [{ rows, of: queries, others: keys, ...ofQueries }] : []),
          ...(share === 'query' ? [] : [{ rows, of: keys, others: queries, ...ofKeys }]),
        ]);
      },
    };
    // CPU drivers take minutes to compile both in one.
    return backwardDispatches(site, caps, blocking, CODE, caps.software);
  },
};
