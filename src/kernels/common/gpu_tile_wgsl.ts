/**
 * WGSL of a tile of ROWS rows x 64 columns of a product, for GPUs. A workgroup of ROWS invocations (64 or 128) computes it; each
 * holds 8x8 sums in registers, so that it reads 4 vec4s of workgroup memory for 64 multiply-adds. The operands are staged in
 * workgroup memory in f32, 16 steps of k at a time, as vec4s along a's rows and b's columns; an operand that is stored along k is
 * transposed as it is staged. The next 16 steps are loaded into registers before the present ones are multiplied.
 */
export const GPU_TILE_COLUMNS = 64;
export const MAX_GPU_TILE_ROWS = 128;

/** Tiles have 128 rows if that gives at least this many workgroups: enough for the largest GPUs (132 multiprocessors). */
const MANY_WORKGROUPS = 192;

/** Rows of the tiles for `batch` products of `m` rows and `n` columns. */
export function gpuTileRows(m: number, n: number, batch: number): number {
  const workgroups = Math.ceil(m / MAX_GPU_TILE_ROWS) * Math.ceil(n / GPU_TILE_COLUMNS) * batch;
  return workgroups >= MANY_WORKGROUPS ? MAX_GPU_TILE_ROWS : MAX_GPU_TILE_ROWS / 2;
}

/** A block of 4x4 elements, and its transpose. */
const QUAD = /* wgsl */ `
struct Quad { a: vec4f, b: vec4f, c: vec4f, d: vec4f }

fn turned(q: Quad) -> Quad {
  return Quad(
    vec4f(q.a.x, q.b.x, q.c.x, q.d.x),
    vec4f(q.a.y, q.b.y, q.c.y, q.d.y),
    vec4f(q.a.z, q.b.z, q.c.z, q.d.z),
    vec4f(q.a.w, q.b.w, q.c.w, q.d.w),
  );
}
`;

/** Types of a tile whose operands are staged by blocks of 4x4. */
export const TILE_TYPES = /* wgsl */ `${QUAD}
alias Sums = array<vec4f, 16>;
`;

export const TILE_SLOT = /* wgsl */ `
/** Index of vec4 \`i\` of step k, \`width\` vec4s a step: XOR-swizzled against bank conflicts of stores along i and along k. */
fn slot(k: u32, i: u32, width: u32) -> u32 {
  return k * width + (i ^ ((k >> 2u) << 1u));
}
`;

export const PUT_SUMS = /* wgsl */ `
fn put_sums(s: ptr<function, Sums>, index: u32) {
  let x = index & 7u;
  let low = (index >> 3u) * 4u;
  let high = low + ROWS / 2u;
  put(low, x, s[0]);
  put(low + 1u, x, s[1]);
  put(low + 2u, x, s[2]);
  put(low + 3u, x, s[3]);
  put(high, x, s[4]);
  put(high + 1u, x, s[5]);
  put(high + 2u, x, s[6]);
  put(high + 3u, x, s[7]);
  put(low, x + 8u, s[8]);
  put(low + 1u, x + 8u, s[9]);
  put(low + 2u, x + 8u, s[10]);
  put(low + 3u, x + 8u, s[11]);
  put(high, x + 8u, s[12]);
  put(high + 1u, x + 8u, s[13]);
  put(high + 2u, x + 8u, s[14]);
  put(high + 3u, x + 8u, s[15]);
}
`;

/**
 * A kernel stages blocks of 4x4 by `put_a` and, in 64 of its invocations, `put_b`; after a barrier it calls `multiply`, and in the
 * end `put_sums(sums, index)`, which calls the kernel's own `put(row, column, v)`, where the column counts vec4s of the tile.
 * Item i of a covers rows 4 (i / 4) … and steps 4 (i % 4) … of k.
 */
export const GPU_TILE = /* wgsl */ `${TILE_TYPES}
var<workgroup> tile_a: array<vec4f, 4 * ROWS>;
var<workgroup> tile_b: array<vec4f, 256>;
${TILE_SLOT}
/** Stages 4 rows along k. */
fn put_a(item: u32, rows: Quad) {
  let q = turned(rows);
  let k = (item & 3u) * 4u;
  tile_a[slot(k, item >> 2u, ROWS / 4u)] = q.a;
  tile_a[slot(k + 1u, item >> 2u, ROWS / 4u)] = q.b;
  tile_a[slot(k + 2u, item >> 2u, ROWS / 4u)] = q.c;
  tile_a[slot(k + 3u, item >> 2u, ROWS / 4u)] = q.d;
}

/** Stages 4 steps of k along the columns. */
fn put_b(k: u32, column: u32, q: Quad) {
  tile_b[slot(k, column, 16u)] = q.a;
  tile_b[slot(k + 1u, column, 16u)] = q.b;
  tile_b[slot(k + 2u, column, 16u)] = q.c;
  tile_b[slot(k + 3u, column, 16u)] = q.d;
}

fn multiply(s: ptr<function, Sums>, index: u32) {
  let x = index & 7u;
  let y = index >> 3u;
  for (var k = 0u; k < 16u; k++) {
    let a = tile_a[slot(k, y, ROWS / 4u)];
    let c = tile_a[slot(k, y + ROWS / 8u, ROWS / 4u)];
    let b = tile_b[slot(k, x, 16u)];
    let d = tile_b[slot(k, x + 8u, 16u)];
    s[0] = fma(vec4f(a.x), b, s[0]);
    s[1] = fma(vec4f(a.y), b, s[1]);
    s[2] = fma(vec4f(a.z), b, s[2]);
    s[3] = fma(vec4f(a.w), b, s[3]);
    s[4] = fma(vec4f(c.x), b, s[4]);
    s[5] = fma(vec4f(c.y), b, s[5]);
    s[6] = fma(vec4f(c.z), b, s[6]);
    s[7] = fma(vec4f(c.w), b, s[7]);
    s[8] = fma(vec4f(a.x), d, s[8]);
    s[9] = fma(vec4f(a.y), d, s[9]);
    s[10] = fma(vec4f(a.z), d, s[10]);
    s[11] = fma(vec4f(a.w), d, s[11]);
    s[12] = fma(vec4f(c.x), d, s[12]);
    s[13] = fma(vec4f(c.y), d, s[13]);
    s[14] = fma(vec4f(c.z), d, s[14]);
    s[15] = fma(vec4f(c.w), d, s[15]);
  }
}
${PUT_SUMS}`;

/** `four_a(i, k, end)`: a's elements i … i + 3, which are k … k + 3 of a row that ends at `end`; zero beyond it. From a binding of vec4s. */
const FOUR_A = /* wgsl */ `
fn four_a(i: u32, k: u32, end: u32) -> vec4f {
  return select(vec4f(), load_a((i - k + min(k, end - 4u)) / 4u), k < end);
}
`;

/** `four_a` from a binding of single elements, for rows that do not come in fours. */
const FOUR_A_ONES = /* wgsl */ `
fn one_a(i: u32, k: u32, end: u32) -> f32 {
  return select(0.0, load_a(i - k + min(k, end - 1u)), k < end);
}
fn four_a(i: u32, k: u32, end: u32) -> vec4f {
  return vec4f(
    one_a(i, k, end), one_a(i + 1u, k + 1u, end), one_a(i + 2u, k + 2u, end), one_a(i + 3u, k + 3u, end),
  );
}
`;

/**
 * `fetch_b(start, k, column)`: columns 4 column … of steps k … of the matrix [kEnd, columns] that begins at element `start`; steps
 * beyond the end repeat the last (a is zero there). `item_column`, `item_k`: the block that an invocation fetches, chosen so that
 * neighbouring invocations read neighbouring memory.
 */
const FETCH_B = /* wgsl */ `
fn item_column(index: u32) -> u32 { return index & 15u; }
fn item_k(index: u32) -> u32 { return (index >> 4u) * 4u; }
fn row_b(start: u32, k: u32, column: u32) -> vec4f {
  return load_b(start / 4u + min(k, k_end() - 1u) * columns4() + column);
}
fn fetch_b(start: u32, k: u32, column: u32) -> Quad {
  return Quad(
    row_b(start, k, column), row_b(start, k + 1u, column), row_b(start, k + 2u, column), row_b(start, k + 3u, column),
  );
}
`;

/** `fetch_b` of a matrix that is stored as [columns, kEnd], whose rows come in fours. */
const FETCH_B_TRANSPOSED = /* wgsl */ `
fn item_column(index: u32) -> u32 { return index >> 2u; }
fn item_k(index: u32) -> u32 { return (index & 3u) * 4u; }
fn fetch_b(start: u32, k: u32, column: u32) -> Quad {
  let i = (start + column * 4u * k_end() + min(k, k_end() - 4u)) / 4u;
  let step = k_end() / 4u;
  return turned(Quad(load_b(i), load_b(i + step), load_b(i + 2u * step), load_b(i + 3u * step)));
}
`;

/** `fetch_b` of a matrix that is stored as [columns, kEnd], by single elements. */
const FETCH_B_TRANSPOSED_ONES = /* wgsl */ `
fn item_column(index: u32) -> u32 { return index >> 2u; }
fn item_k(index: u32) -> u32 { return (index & 3u) * 4u; }
fn row_b(start: u32, k: u32, column: u32) -> vec4f {
  let i = start + column * 4u * k_end() + min(k, k_end() - 1u);
  return vec4f(load_b(i), load_b(i + k_end()), load_b(i + 2u * k_end()), load_b(i + 3u * k_end()));
}
fn fetch_b(start: u32, k: u32, column: u32) -> Quad {
  return Quad(
    row_b(start, k, column), row_b(start, k + 1u, column), row_b(start, k + 2u, column), row_b(start, k + 3u, column),
  );
}
`;

export interface Operands {
  /** `four_a` and `fetch_b`; they need `k_end()` and `columns4()`. */
  readonly code: string;
  readonly vecA: 1 | 4;
  readonly vecB: 1 | 4;
}

/** WGSL that reads a and b, which have `k` steps; b is stored along its columns or, with `transposeB`, along k. */
export function operands(k: number, transposeB: boolean): Operands {
  const fours = k % 4 === 0;
  const b = transposeB ? (fours ? FETCH_B_TRANSPOSED : FETCH_B_TRANSPOSED_ONES) : FETCH_B;
  return { code: (fours ? FOUR_A : FOUR_A_ONES) + b, vecA: fours ? 4 : 1, vecB: transposeB && !fours ? 1 : 4 };
}
