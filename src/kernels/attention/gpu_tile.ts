/**
 * Attention on GPUs: a workgroup of 64 invocations computes 32 query rows of one head, over tiles of 32 queries x 32 keys in
 * workgroup memory with an online softmax (FlashAttention-2: Dao 2023). Subgroups are not needed.
 * D is staged in slices of 32, so that workgroup memory is 14.5 KiB for every D: an NVIDIA multiprocessor holds six workgroups
 * and more, and registers (16 vec4 of sums at D = 128, twice that for dk and dv) are what limits occupancy. An invocation has
 * rows 4 ty … 4 ty + 3 and columns 4 tx … 4 tx + 3 of a tile of scores, and one vec4 of each slice of the result: 64
 * multiply-adds for 8 loads of a vec4 in both kinds of product.
 * HEAD is D / 4 and loads are vec4s; SLICES = ⌈D / 32⌉. Arithmetic is f32 whatever the storage.
 */
import type { DeviceCaps } from '../../tensor/device/device_caps.ts';
import type { Variant } from '../../tensor/op.ts';
import type { Blocking } from './dispatches.ts';
import { forwardDispatch } from './dispatches.ts';
import type { AttentionAttrs, AttentionSite } from './shapes.ts';
import { siteSizes } from './shapes.ts';

/** Rows and columns of a tile, and elements of a slice. */
const TILE = 32;
const WORKGROUP_BYTES = 16 * 864 + 4 * 256;
/** The largest head whose sums fit registers. */
const MAX_HEAD = 160;

/** Shared with gpu_tile_backward.ts. */
export const BLOCKING: Blocking = {
  name: 'gpu_tile',
  rows: TILE,
  vec: 4,
  constants: (head) => ({ Element: 'vec4f', HEAD: head / 4, SLICES: Math.ceil(head / TILE), LANES: 64 }),
};

/** Shared with gpu_tile_backward.ts: the tiles in workgroup memory, and products of them. */
export const TILES = /* wgsl */ `
alias Four = array<vec4f, 4>;

// Against bank conflicts, row r of a tile is stored as row (r % 4) * 8 + r / 4, and rows are padded by one vec4.
const ROW = 9u;
// LEFT: a slice of the tile's rows, or the weights of a product; RIGHT: a slice of its columns; WEIGHTS: probabilities.
const LEFT = 0u;
const RIGHT = 288u;
const WEIGHTS = 576u;
var<workgroup> tile: array<vec4f, 864>;
var<workgroup> partial: array<f32, 256>;

fn place(r: u32) -> u32 {
  return ((r % 4u) * 8u + r / 4u) * ROW;
}

// Vec4 \`column\` of a row of q, k or v; zero outside.
fn q_part(batch: u32, t: u32, head: u32, column: u32) -> vec4f {
  let x = load_q(q_at(batch, min(t, params.queries - 1u), head) + min(column, HEAD - 1u));
  return select(vec4f(), x, (t < params.queries) & (column < HEAD));
}

fn k_part(batch: u32, s: u32, head: u32, column: u32) -> vec4f {
  let x = load_k(k_at(batch, min(s, params.keys - 1u), head) + min(column, HEAD - 1u));
  return select(vec4f(), x, (s < params.keys) & (column < HEAD));
}

fn v_part(batch: u32, s: u32, head: u32, column: u32) -> vec4f {
  let x = load_v(v_at(batch, min(s, params.keys - 1u), head) + min(column, HEAD - 1u));
  return select(vec4f(), x, (s < params.keys) & (column < HEAD));
}

// sum[i][j] += left row 4 ty + i · right row 4 tx + j, over a slice.
fn add_dots(start: Four, tx: u32, ty: u32, columns: u32) -> Four {
  var sum = start;
  for (var c = 0u; c < columns; c++) {
    let b0 = tile[RIGHT + tx * ROW + c];
    let b1 = tile[RIGHT + (8u + tx) * ROW + c];
    let b2 = tile[RIGHT + (16u + tx) * ROW + c];
    let b3 = tile[RIGHT + (24u + tx) * ROW + c];
    for (var i = 0u; i < 4u; i++) {
      let a = tile[LEFT + (8u * i + ty) * ROW + c];
      sum[i] += vec4f(dot(a, b0), dot(a, b1), dot(a, b2), dot(a, b3));
    }
  }
  return sum;
}

// sum[i] += weights of row 4 ty + i times vec4 tx of the rows of right.
fn add_weighted(start: Four, weights: u32, tx: u32, ty: u32) -> Four {
  var sum = start;
  for (var x = 0u; x < 8u; x++) {
    let b0 = tile[RIGHT + x * ROW + tx];
    let b1 = tile[RIGHT + (8u + x) * ROW + tx];
    let b2 = tile[RIGHT + (16u + x) * ROW + tx];
    let b3 = tile[RIGHT + (24u + x) * ROW + tx];
    for (var i = 0u; i < 4u; i++) {
      let w = tile[weights + (8u * i + ty) * ROW + x];
      sum[i] += w.x * b0 + w.y * b1 + w.z * b2 + w.w * b3;
    }
  }
  return sum;
}

fn sees(batch: u32, t: u32, s: u32) -> bool {
  return (t < params.queries) & (s < params.keys) & ((params.causal == 0u) | (s <= t)) &
    attends(batch * params.keys + min(s, params.keys - 1u));
}
`;

/** Scores of a tile, the running maximum and sum of each row, and the weights times the values. */
const FORWARD = /* wgsl */ `
@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tx = lane % 8u;
  let ty = lane / 8u;
  let first = 32u * group.x;
  let head = group.y;
  let batch = group.z;
  var sum: array<Four, SLICES>;
  var highest = vec4f(-3.0e38);
  var total = vec4f();
  let end = select(params.keys, min(params.keys, first + 32u), params.causal == 1u);
  for (var s0 = 0u; s0 < end; s0 += 32u) {
    var scores = Four();
    for (var c = 0u; c < SLICES; c++) {
      workgroupBarrier();
      for (var r = ty; r < 32u; r += 8u) {
        tile[LEFT + place(r) + tx] = q_part(batch, first + r, head, 8u * c + tx);
        tile[RIGHT + place(r) + tx] = k_part(batch, s0 + r, head, 8u * c + tx);
      }
      workgroupBarrier();
      scores = add_dots(scores, tx, ty, min(8u, HEAD - 8u * c));
    }
    var seen: array<vec4<bool>, 4>;
    let s = s0 + 4u * tx;
    for (var i = 0u; i < 4u; i++) {
      let t = first + 4u * ty + i;
      seen[i] = vec4<bool>(
        sees(batch, t, s), sees(batch, t, s + 1u), sees(batch, t, s + 2u), sees(batch, t, s + 3u));
      let x = select(vec4f(-3.0e38), scores[i] * params.scale, seen[i]);
      scores[i] = x;
      partial[(4u * ty + i) * 8u + tx] = max(max(x.x, x.y), max(x.z, x.w));
    }
    workgroupBarrier();
    var shrink: vec4f;
    for (var i = 0u; i < 4u; i++) {
      var high = highest[i];
      for (var x = 0u; x < 8u; x++) {
        high = max(high, partial[(4u * ty + i) * 8u + x]);
      }
      shrink[i] = exp(highest[i] - high);
      highest[i] = high;
      let p = select(vec4f(), exp(scores[i] - high), seen[i]);
      tile[WEIGHTS + (8u * i + ty) * ROW + tx] = p;
      total[i] = total[i] * shrink[i] + dot(p, vec4f(1.0));
    }
    for (var c = 0u; c < SLICES; c++) {
      workgroupBarrier();
      for (var r = ty; r < 32u; r += 8u) {
        tile[RIGHT + place(r) + tx] = v_part(batch, s0 + r, head, 8u * c + tx);
      }
      workgroupBarrier();
      let x = sum[c];
      let shrunk = Four(x[0] * shrink[0], x[1] * shrink[1], x[2] * shrink[2], x[3] * shrink[3]);
      sum[c] = add_weighted(shrunk, WEIGHTS, tx, ty);
    }
  }
  workgroupBarrier();
  for (var i = 0u; i < 4u; i++) {
    partial[(4u * ty + i) * 8u + tx] = total[i];
  }
  workgroupBarrier();
  for (var i = 0u; i < 4u; i++) {
    let t = first + 4u * ty + i;
    var all = 0.0;
    for (var x = 0u; x < 8u; x++) {
      all += partial[(4u * ty + i) * 8u + x];
    }
    let any_key = all > 0.0;
    if (t < params.queries) {
      for (var c = 0u; c < SLICES; c++) {
        if (8u * c + tx < HEAD) {
          store_y(y_at(batch, t, head) + 8u * c + tx, sum[c][i] * select(0.0, 1.0 / all, any_key));
        }
      }
      if (tx == 0u) {
        store_lse(row_at(batch, t, head), select(0.0, highest[i] + log(all), any_key));
      }
    }
  }
}
`;

/** Not on CPU drivers: barriers are slow there, and their compilers take ten seconds and more for these kernels. */
export function supports(site: AttentionSite, caps: DeviceCaps): boolean {
  const { head } = siteSizes(site);
  return !caps.software && head % 4 === 0 && head <= MAX_HEAD && caps.maxWorkgroupStorage >= WORKGROUP_BYTES;
}

export const gpuTile: Variant<AttentionAttrs> = {
  name: 'gpu_tile',
  supports,
  dispatches: (site) => [forwardDispatch(site, BLOCKING, FORWARD + TILES)],
};
