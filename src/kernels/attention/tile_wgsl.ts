/**
 * Attention for GPUs: 64 invocations work on tiles of 32 queries x 32 keys in workgroup memory (FlashAttention-2: Dao
 * 2023), subgroups not needed. D is walked in slices of 32, so that workgroup memory is 14.5 KiB for every D: an
 * NVIDIA SM holds six workgroups and more, and registers (16 vec4 of sums at D = 128, twice that for dk and dv) are
 * what limits occupancy. An invocation has rows 4 ty … 4 ty + 3 and of them columns 4 tx … 4 tx + 3 of a tile of
 * scores, and a vec4 of each slice of the result: 64 multiply-adds for 8 loads of a vec4 in both kinds of product.
 * HEAD is D / 4 and loads are vec4s; SLICES = ⌈D / 32⌉. Arithmetic is f32 whatever the storage.
 */

export const TILE = 32;

/** What the forward kernel and those of tile_backward_wgsl.ts share. */
export const ATTENTION_TILE = /* wgsl */ `
alias Four = array<vec4f, 4>;

// Row r of a tile is at place (r % 4) * 8 + r / 4, and rows are padded by a vec4, so that invocations read all banks.
const ROW = 9u;
// left: a slice of the tile's rows, or weights of a product; right: a slice of its columns; weights: probabilities.
const LEFT = 0u;
const RIGHT = 288u;
const WEIGHTS = 576u;
var<workgroup> tile: array<vec4f, 864>;
var<workgroup> partial: array<f32, 256>;

fn place(r: u32) -> u32 {
  return ((r % 4u) * 8u + r / 4u) * ROW;
}

// Parts of rows; outside they are zero.
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

// sum[i] += weights of row 4 ty + i times the rows of right, its vec4 tx.
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

/** The forward kernel: scores of a tile, a running softmax of each row, and its weights times the values. */
export const ATTENTION_GPU_TILE = /* wgsl */ `
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
