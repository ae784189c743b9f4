/**
 * Attention on matrix units (FlashAttention-2: Dao 2023): f16 operands, f32 sums and softmax. A subgroup computes MATRIX_M query
 * rows of one head (for long heads SPLIT subgroups do, each a slice of the head), over tiles of TILE_KEYS keys that the workgroup
 * stages in workgroup memory, first k, then v. The rows' queries stay in registers as matrices.
 *
 * Elements of a matrix cannot be reached in registers, so scores pass through workgroup memory to the invocations, each of which
 * has OWN columns of one row. For the same reason the sums are not rescaled whenever a row's maximum grows: its exponents keep
 * their reference until they would exceed 2^SLACK, which f16 holds easily, and only then the sums pass through workgroup memory.
 */
import type { DeviceCaps } from '../../tensor/device/device_caps.ts';
import type { MatrixWork } from '../../tensor/dispatch.ts';
import type { Variant } from '../../tensor/op.ts';
import { matrixShape, subgroupSize, subgroupSizeAttribute } from '../common/matrix_tile.ts';
import type { Blocking } from './dispatches.ts';
import { forwardDispatch } from './dispatches.ts';
import type { AttentionAttrs, AttentionSite } from './shapes.ts';
import { operandCount, siteSizes } from './shapes.ts';

/** Elements between rows in workgroup memory beyond their own, against bank conflicts. */
const PADDING = 8;
/** The largest slice of a head whose operands and sums a subgroup can hold in registers. */
const MAX_SLICE = 80;
const MAX_SPLIT = 8;
const SUBGROUPS = 8;

/** How the kernels divide a head and the keys; the WGSL constants of the same names. */
export interface MatrixBlocking {
  /** Subgroups that share rows, each with a slice of the head. */
  readonly split: number;
  /** Rows of k and v (backwards also of q and dy) that are staged at a time. */
  readonly tileKeys: number;
  readonly constants: Readonly<Record<string, number>>;
  readonly attribute: string;
}

/**
 * @param maxSlice the most elements of a head for one subgroup, where so many subgroups share a row
 * @param tiles numbers of rows of k and v, the best first
 * @param bytes workgroup memory of a division; the first that fits is taken
 * @returns null where operands are not f16, or the adapter has no matrices that fit
 */
export function matrixBlocking(
  site: AttentionSite,
  caps: DeviceCaps,
  maxSlice: (split: number) => number,
  tiles: readonly number[],
  bytes: (split: number, tileKeys: number, stride: number, subgroups: number, matrix: number) => number,
): MatrixBlocking | null {
  const shape = matrixShape(caps);
  const subgroup = subgroupSize(caps);
  const { head } = siteSizes(site);
  // The operands, and for the gradients y and dy.
  const halves = site.inputs.slice(0, operandCount(site.inputs, site.attrs) + ('gradients' in site.attrs ? 2 : 0));
  if (!shape || subgroup === null || head % 4 !== 0 || halves.some((t) => t.dtype !== 'f16')) {
    return null;
  }
  if (SUBGROUPS * subgroup > caps.maxInvocations || subgroup % shape.m !== 0 || shape.m > 16) {
    return null;
  }
  const whole = Math.max(shape.k, shape.n);
  for (let split = 1; split <= MAX_SPLIT; split *= 2) {
    const slice = Math.ceil(head / split / whole) * whole;
    for (const tileKeys of caps.software ? [16] : tiles) {
      const fits =
        bytes(split, tileKeys, slice * split + PADDING, SUBGROUPS, shape.m * shape.n) <= caps.maxWorkgroupStorage;
      if (slice <= maxSlice(split) && fits && tileKeys % shape.k === 0 && tileKeys % shape.n === 0) {
        return {
          split,
          tileKeys,
          constants: {
            MATRIX_M: shape.m,
            MATRIX_N: shape.n,
            MATRIX_K: shape.k,
            SUBGROUP: subgroup,
            LANES: SUBGROUPS * subgroup,
            SPLIT: split,
            TILE_KEYS: tileKeys,
            SLICE: slice,
            HEAD: head / 4,
          },
          attribute: subgroupSizeAttribute(caps),
        };
      }
    }
  }
  return null;
}

/** How a kernel of attention uses its subgroups: matrices in one round over TILE_KEYS rows of the other side. */
interface Round {
  /** Rows of a workgroup, and all rows on their side. */
  readonly rows: number;
  readonly of: number;
  /** Rows on the other side. */
  readonly others: number;
  /** Multiplications of a subgroup, and those of all subgroups of a workgroup. */
  readonly multiplications: number;
  readonly all: number;
}

/** The work of some rounds on matrix units. Each round stages a pair of tiles: k and v, or q and dy. */
export function roundsWork(
  site: AttentionSite,
  { constants, tileKeys }: MatrixBlocking,
  rounds: readonly Round[],
): MatrixWork {
  const { MATRIX_M = 0, MATRIX_N = 0, MATRIX_K = 0 } = constants;
  const { batch, heads, head } = siteSizes(site);
  const matrix = 2 * MATRIX_M * MATRIX_N * MATRIX_K;
  const totals = rounds.map(({ rows, of, others, all }) => {
    // Causal rows meet half of the others, up to their own tile.
    const groups = Array.from({ length: Math.ceil(of / rows) }, (_, i) => (i + 1) * rows);
    const met = groups.map((end) => (site.attrs.causal ? Math.min(others, end) : others));
    const count = met.reduce((sum, n) => sum + Math.ceil(n / tileKeys), 0) * batch * heads;
    return { flops: count * all * matrix, bytes: count * 2 * 2 * tileKeys * head };
  });
  const flops = totals.reduce((sum, t) => sum + t.flops, 0);
  return {
    products: 1,
    flops,
    multiplications: rounds.reduce((sum, { multiplications }) => sum + multiplications, 0),
    bytesPerFlop: totals.reduce((sum, t) => sum + t.bytes, 0) / flops,
  };
}

/** Multiplications of a subgroup in one round: of its rows with the staged ones, and of weights with the staged rows. */
export function roundOf({ constants, tileKeys }: MatrixBlocking): {
  readonly scores: number;
  readonly weighted: number;
} {
  const { MATRIX_N = 0, MATRIX_K = 0, SLICE = 0 } = constants;
  return { scores: (tileKeys / MATRIX_N) * (SLICE / MATRIX_K), weighted: (tileKeys / MATRIX_K) * (SLICE / MATRIX_N) };
}

/** Shared with subgroup_matrix_backward.ts: matrices, and what invocations do with the rows of a tile. */
export const MATRICES = /* wgsl */ `
alias Left = subgroup_matrix_left<f16, MATRIX_K, MATRIX_M>;
alias Right = subgroup_matrix_right<f16, MATRIX_N, MATRIX_K>;
alias Sum = subgroup_matrix_result<f32, MATRIX_N, MATRIX_M>;
alias Four = vec4<f16>;

const SUBGROUPS = LANES / SUBGROUP;
/** Vec4s of a row in workgroup memory, the head's own and zeros behind them. */
const FOURS = SLICE * SPLIT / 4u;
const STRIDE = SLICE * SPLIT + ${PADDING}u;
const WEIGHT_STRIDE = TILE_KEYS + ${PADDING}u;
const ITEMS = (TILE_KEYS * FOURS + LANES - 1u) / LANES;
const DEPTH = SLICE / MATRIX_K;
const PANELS = TILE_KEYS / MATRIX_N;
const OUTS = SLICE / MATRIX_N;
/** Invocations that share a row of a matrix, and the columns that each of them has. */
const PER_ROW = SUBGROUP / MATRIX_M;
const OWN = MATRIX_N / PER_ROW;
const MATRIX = MATRIX_M * MATRIX_N;
const LOG2E = 1.4426950408889634;

/** One matrix of f32 for each subgroup, on its way between matrix and invocations. */
var<workgroup> stage: array<f32, SUBGROUPS * MATRIX>;

/** The sum of a row's values over the invocations that share it. */
fn row_sum(x: f32) -> f32 {
  var sum = x;
  for (var d = 1u; d < PER_ROW; d *= 2u) {
    sum += subgroupShuffleXor(sum, d);
  }
  return sum;
}

/** An element of the scores of rows that SPLIT subgroups share: the sum of what each made of its slice. */
fn staged(first: u32, element: u32) -> f32 {
  var sum = stage[first + element];
  for (var p = 1u; p < SPLIT; p++) {
    sum += stage[first + p * MATRIX + element];
  }
  return sum;
}
`;

const forward = (attribute: string): string => /* wgsl */ `
const ROWS = SUBGROUPS / SPLIT * MATRIX_M;
const LOWEST = -3.0e38;
const SLACK = 8.0;

var<workgroup> tile: array<f16, TILE_KEYS * STRIDE>;
var<workgroup> weights: array<f16, ROWS * WEIGHT_STRIDE>;
var<workgroup> factors: array<f32, ROWS>;
var<workgroup> grows: atomic<u32>;

fn put(i: u32, x: Four) {
  tile[i] = x.x;
  tile[i + 1u] = x.y;
  tile[i + 2u] = x.z;
  tile[i + 3u] = x.w;
}

fn put_tile(fours: ptr<function, array<Four, ITEMS>>, index: u32) {
  for (var i = 0u; i < ITEMS; i++) {
    let item = index + i * LANES;
    if (item < TILE_KEYS * FOURS) {
      put(item / FOURS * STRIDE + item % FOURS * 4u, select(Four(), fours[i], item % FOURS < HEAD));
    }
  }
}

fn row_max(x: f32) -> f32 {
  var high = x;
  for (var d = 1u; d < PER_ROW; d *= 2u) {
    high = max(high, subgroupShuffleXor(high, d));
  }
  return high;
}

@compute @workgroup_size(LANES)${attribute}
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let subgroup = subgroupBroadcastFirst(index / SUBGROUP);
  let lane = index % SUBGROUP;
  let head = group.y;
  let batch = group.z;
  let first = group.x * ROWS;
  let band = subgroup / SPLIT * MATRIX_M;
  let slice = subgroup % SPLIT * SLICE;
  let mine = subgroup * MATRIX;
  let shared_by = subgroup / SPLIT * SPLIT * MATRIX;
  let row = lane / PER_ROW;
  let own = lane % PER_ROW * OWN;
  let t = first + band + row;
  var next: array<Four, ITEMS>;

  // 1. The subgroup's queries, as matrices; TILE_KEYS rows at a time pass through workgroup memory.
  var queries: array<Left, DEPTH>;
  for (var r = 0u; r < ROWS; r += TILE_KEYS) {
    for (var i = 0u; i < ITEMS; i++) {
      let item = index + i * LANES;
      let s = min(first + r + item / FOURS, params.queries - 1u);
      next[i] = Four(load_q(q_at(batch, s, head) + min(item % FOURS, HEAD - 1u)));
    }
    put_tile(&next, index);
    workgroupBarrier();
    if (band / TILE_KEYS == r / TILE_KEYS) {
      for (var d = 0u; d < DEPTH; d++) {
        let start = (band - r) * STRIDE + slice + d * MATRIX_K;
        queries[d] = subgroupMatrixLoad<Left, row_major>(&tile, start, STRIDE);
      }
    }
    workgroupBarrier();
  }

  var sums: array<Sum, OUTS>;
  var highest = LOWEST;
  var total = 0.0;
  let scale = params.scale * LOG2E;
  let end = select(params.keys, min(params.keys, first + ROWS), params.causal == 1u);
  for (var i = 0u; i < ITEMS; i++) {
    let item = index + i * LANES;
    next[i] = Four(load_k(k_at(batch, min(item / FOURS, params.keys - 1u), head) + min(item % FOURS, HEAD - 1u)));
  }
  for (var s0 = 0u; s0 < end; s0 += TILE_KEYS) {
    // 2. A tile of k; its values are fetched meanwhile.
    put_tile(&next, index);
    if (index == 0u) {
      atomicStore(&grows, 0u);
    }
    workgroupBarrier();
    for (var i = 0u; i < ITEMS; i++) {
      let item = index + i * LANES;
      let s = min(s0 + item / FOURS, params.keys - 1u);
      next[i] = Four(load_v(v_at(batch, s, head) + min(item % FOURS, HEAD - 1u)));
    }
    // 3. Scores, in log2 units, to the invocations that own them.
    var high = highest;
    var scores: array<array<f32, OWN>, PANELS>;
    for (var j = 0u; j < PANELS; j++) {
      var score = Sum(); // Without a value Tint leaves what the variable held in the last round.
      for (var d = 0u; d < DEPTH; d++) {
        let start = j * MATRIX_N * STRIDE + slice + d * MATRIX_K;
        let right = subgroupMatrixLoad<Right, col_major>(&tile, start, STRIDE);
        score = subgroupMatrixMultiplyAccumulate(queries[d], right, score);
      }
      subgroupMatrixStore<row_major>(&stage, mine, score, MATRIX_N);
      workgroupBarrier();
      for (var e = 0u; e < OWN; e++) {
        let s = s0 + j * MATRIX_N + own + e;
        let seen = s < params.keys && (params.causal == 0u || s <= t)
          && attends(batch * params.keys + min(s, params.keys - 1u));
        scores[j][e] = select(LOWEST, staged(shared_by, row * MATRIX_N + own + e) * scale, seen);
        high = max(high, scores[j][e]);
      }
      workgroupBarrier();
    }
    // 4. Weights, by an exponent reference that moves only where it must.
    high = row_max(high);
    let moves = high > highest + SLACK;
    let shrink = select(1.0, exp2(highest - high), moves);
    highest = select(highest, high, moves);
    if (moves && s0 > 0u) {
      atomicStore(&grows, 1u);
    }
    total *= shrink;
    for (var j = 0u; j < PANELS; j++) {
      for (var e = 0u; e < OWN; e++) {
        let p = select(0.0, exp2(scores[j][e] - highest), scores[j][e] > LOWEST);
        total += p;
        if (slice == 0u) {
          weights[(band + row) * WEIGHT_STRIDE + j * MATRIX_N + own + e] = f16(p);
        }
      }
    }
    put_tile(&next, index);
    if (workgroupUniformLoad(&grows) == 1u) {
      for (var o = 0u; o < OUTS; o++) {
        subgroupMatrixStore<row_major>(&stage, mine, sums[o], MATRIX_N);
        workgroupBarrier();
        for (var e = 0u; e < OWN; e++) {
          stage[mine + row * MATRIX_N + own + e] *= shrink;
        }
        workgroupBarrier();
        sums[o] = subgroupMatrixLoad<Sum, row_major>(&stage, mine, MATRIX_N);
        workgroupBarrier();
      }
    }
    // 5. Weights times values; the next tile of k is fetched meanwhile.
    for (var i = 0u; i < ITEMS; i++) {
      let item = index + i * LANES;
      let s = min(s0 + TILE_KEYS + item / FOURS, params.keys - 1u);
      next[i] = Four(load_k(k_at(batch, s, head) + min(item % FOURS, HEAD - 1u)));
    }
    for (var c = 0u; c < TILE_KEYS; c += MATRIX_K) {
      let left = subgroupMatrixLoad<Left, row_major>(&weights, band * WEIGHT_STRIDE + c, WEIGHT_STRIDE);
      for (var o = 0u; o < OUTS; o++) {
        let right = subgroupMatrixLoad<Right, row_major>(&tile, c * STRIDE + slice + o * MATRIX_N, STRIDE);
        sums[o] = subgroupMatrixMultiplyAccumulate(left, right, sums[o]);
      }
    }
    workgroupBarrier();
  }

  // 6. The result: sums over totals.
  let all = row_sum(total);
  let any_key = all > 0.0;
  if (slice == 0u && lane % PER_ROW == 0u) {
    factors[band + row] = select(0.0, 1.0 / all, any_key);
    if (t < params.queries) {
      store_lse(row_at(batch, t, head), select(0.0, (highest + log2(all)) / LOG2E, any_key));
    }
  }
  for (var o = 0u; o < OUTS; o++) {
    subgroupMatrixStore<row_major>(&stage, mine, sums[o], MATRIX_N);
    workgroupBarrier();
    for (var e = lane; e < MATRIX / 4u; e += SUBGROUP) {
      let r = e / (MATRIX_N / 4u);
      let c = (slice + o * MATRIX_N) / 4u + e % (MATRIX_N / 4u);
      let p = mine + e * 4u;
      if (first + band + r < params.queries && c < HEAD) {
        let v = vec4f(stage[p], stage[p + 1u], stage[p + 2u], stage[p + 3u]);
        store_y(y_at(batch, first + band + r, head) + c, v * factors[band + r]);
      }
    }
    workgroupBarrier();
  }
}
`;

function blockingOf(site: AttentionSite, caps: DeviceCaps): MatrixBlocking | null {
  return matrixBlocking(
    site,
    caps,
    () => MAX_SLICE,
    [32, 16],
    (split, tileKeys, stride, subgroups, matrix) => {
      const rows = (subgroups / split) * 16;
      return 2 * (tileKeys * stride + rows * (tileKeys + PADDING)) + 4 * (subgroups * matrix + rows + 1);
    },
  );
}

export const subgroupMatrix: Variant<AttentionAttrs> = {
  name: 'subgroup_matrix',
  supports: (site, caps) => blockingOf(site, caps) !== null,
  dispatches: (site, caps) => {
    const found = blockingOf(site, caps);
    if (!found) {
      throw new Error('attention.subgroup_matrix needs f16 matrices in subgroups');
    }
    const { constants, split, attribute } = found;
    const rows = (SUBGROUPS / split) * (constants.MATRIX_M ?? 0);
    const blocking: Blocking = {
      name: 'subgroup_matrix',
      rows,
      vec: 4,
      constants: () => ({ Element: 'vec4f', ...constants }),
      matrixWork: () => {
        const { scores, weighted } = roundOf(found);
        const { queries, keys } = siteSizes(site);
        const multiplications = scores + weighted;
        return roundsWork(site, found, [
          { rows, of: queries, others: keys, multiplications, all: SUBGROUPS * multiplications },
        ]);
      },
    };
    return [forwardDispatch(site, blocking, MATRICES + forward(attribute))];
  },
};
