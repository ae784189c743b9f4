/**
 * A tile of a product of f32 matrices on matrix units of f16: each operand is the sum of two f16 numbers, x = 2^e (high + low), and
 * a b = 2^(ea + eb) (high high + high low + low high), summed in f32 (Markidis et al. 2018, Ootomo and Yokota 2022). That is
 * three products on matrix units; high and low have 22 of f32's 24 bits.
 *
 * Each workgroup has an exponent e for its rows of a and one for its columns of b. It follows from the largest magnitude that was
 * loaded so far, so that nothing overflows f16 at any size: when it rises, the sums are multiplied by a power of two, which is exact.
 * Elements below 2^-14 of the largest lose bits: their error is at most 2^-35 of the largest, or 2^-25 of it on a GPU that takes
 * f16's subnormal numbers for zero.
 *
 * Hooks are those of matrix_tile.ts.
 */
import type { DeviceCaps, SubgroupMatrix } from '../../tensor/device/device_caps.ts';
import { type MatrixTile, matrixShape, subgroupSizeAttribute, type TileSize, tileOf } from './matrix_tile.ts';

/** Products of f16 matrices for one of f32. */
export const SPLIT_PRODUCTS = 3;

/** Elements between rows in workgroup memory beyond their own, against bank conflicts. */
const PADDING = 8;

/** Steps of k in workgroup memory at a time: half of those of f16, because each element is there twice. */
const stepOf = ({ k }: SubgroupMatrix): number => Math.max(16, k);

/**
 * As many bytes of memory for a product on matrix units as a tile of f16 with twice the columns, because there are three products; the
 * largest tile needs 240 registers on RDNA3, this one leaves room for more waves.
 */
const MAX_COLUMNS = 64;

/** Where an operand's four neighbours in memory lie: along k, or across it. */
export type Neighbours = 'along k' | 'across k';

function workgroupBytes(tile: TileSize, shape: SubgroupMatrix): number {
  const step = stepOf(shape);
  const operand = (lines: number): number => Math.max(lines * (step + PADDING), step * (lines + PADDING));
  const subgroups = (tile.rows / tile.subRows) * (tile.columns / tile.subColumns);
  return 2 * 2 * (operand(tile.rows) + operand(tile.columns)) + 4 * subgroups * shape.m * shape.n + 8;
}

/** The tile for `batch` products of `m` rows and `n` columns. @returns null where the adapter has no matrix units that fit */
export function splitTile(m: number, n: number, batch: number, caps: DeviceCaps): MatrixTile | null {
  const shape = matrixShape(caps);
  const tile = tileOf(m, n, batch, caps, workgroupBytes, MAX_COLUMNS);
  const step = shape ? stepOf(shape) : 0;
  return tile && { ...tile, step, constants: { ...tile.constants, K_STEP: step } };
}

const TILE_CODE = /* wgsl */ `
alias Left = subgroup_matrix_left<f16, MATRIX_K, MATRIX_M>;
alias Right = subgroup_matrix_right<f16, MATRIX_N, MATRIX_K>;
alias Sum = subgroup_matrix_result<f32, MATRIX_N, MATRIX_M>;
alias Element = f32;
alias Four = vec4f;

const FOURS = K_STEP / 4u;
const ACROSS = TILE_COLUMNS / SUB_COLUMNS;
const THREADS = TILE_ROWS / SUB_ROWS * ACROSS * SUBGROUP;
const BANDS = SUB_ROWS / MATRIX_M;
const PANELS = SUB_COLUMNS / MATRIX_N;
const A_ITEMS = TILE_ROWS * FOURS / THREADS;
const B_ITEMS = TILE_COLUMNS * FOURS / THREADS;

var<workgroup> tile_y: array<f32, TILE_ROWS / SUB_ROWS * ACROSS * MATRIX_M * MATRIX_N>;
/** Bits of the largest magnitudes of a and b so far: those of positive numbers are ordered as they are. */
var<workgroup> largest: array<atomic<u32>, 2>;

/** 2^e. */
fn power(e: i32) -> f32 { return bitcast<f32>(u32(max(e, -126) + 127) << 23u); }

/**
 * The exponent for what was loaded so far: that of before while all of x 2^-e stays below 2^15, else the one that brings the
 * largest below 2^12.
 */
fn exponent(before: i32, operand: u32) -> i32 {
  let high = i32(atomicLoad(&largest[operand]) >> 23u) - 127;
  return select(before, clamp(high - 11, -100, 116), high - before > 14);
}

fn most(x: vec4f) -> f32 {
  let y = abs(x);
  return max(max(y.x, y.y), max(y.z, y.w));
}

/** x rounded to the 11 bits of f16. By its bits, because compilers take x - f32(f16(x)) for zero. */
fn rounded(x: vec4f) -> vec4f {
  return bitcast<vec4f>((bitcast<vec4u>(x) + 0x1000u) & vec4u(0xffffe000u));
}

fn put_a(i: u32, x: vec4f) {
  let near = rounded(x);
  let high = vec4<f16>(near);
  let low = vec4<f16>(x - near);
  tile_a[i] = high.x;
  tile_a[i + 1u] = high.y;
  tile_a[i + 2u] = high.z;
  tile_a[i + 3u] = high.w;
  tile_a[i + SIZE_A] = low.x;
  tile_a[i + SIZE_A + 1u] = low.y;
  tile_a[i + SIZE_A + 2u] = low.z;
  tile_a[i + SIZE_A + 3u] = low.w;
}

fn put_b(i: u32, x: vec4f) {
  let near = rounded(x);
  let high = vec4<f16>(near);
  let low = vec4<f16>(x - near);
  tile_b[i] = high.x;
  tile_b[i + 1u] = high.y;
  tile_b[i + 2u] = high.z;
  tile_b[i + 3u] = high.w;
  tile_b[i + SIZE_B] = low.x;
  tile_b[i + SIZE_B + 1u] = low.y;
  tile_b[i + SIZE_B + 2u] = low.z;
  tile_b[i + SIZE_B + 3u] = low.w;
}
`;

/** a in memory as [rows, k]: an item is four steps of one row. */
const A_ALONG = /* wgsl */ `
const STRIDE_A = K_STEP + ${PADDING}u;
const SIZE_A = TILE_ROWS * STRIDE_A;
var<workgroup> tile_a: array<f16, 2u * SIZE_A>;

fn a_row(item: u32, index: u32) -> u32 { return index / FOURS + item * (THREADS / FOURS); }
fn a_k(index: u32) -> u32 { return index % FOURS * 4u; }
fn a_place(item: u32, index: u32) -> u32 { return a_row(item, index) * STRIDE_A + a_k(index); }

fn load_left(part: u32, row: u32, k: u32) -> Left {
  return subgroupMatrixLoad<Left, row_major>(&tile_a, part * SIZE_A + row * STRIDE_A + k, STRIDE_A);
}
`;

/** a in memory as [k, rows]: an item is four rows at one step. */
const A_ACROSS = /* wgsl */ `
const STRIDE_A = TILE_ROWS + ${PADDING}u;
const SIZE_A = K_STEP * STRIDE_A;
var<workgroup> tile_a: array<f16, 2u * SIZE_A>;

fn a_line(item: u32, index: u32) -> u32 { return index / (TILE_ROWS / 4u) + item * (THREADS / (TILE_ROWS / 4u)); }
fn a_four(index: u32) -> u32 { return index % (TILE_ROWS / 4u); }
fn a_place(item: u32, index: u32) -> u32 { return a_line(item, index) * STRIDE_A + a_four(index) * 4u; }

fn load_left(part: u32, row: u32, k: u32) -> Left {
  return subgroupMatrixLoad<Left, col_major>(&tile_a, part * SIZE_A + k * STRIDE_A + row, STRIDE_A);
}
`;

/** b in memory as [k, columns]: an item is four columns of one step. */
const B_ACROSS = /* wgsl */ `
const STRIDE_B = TILE_COLUMNS + ${PADDING}u;
const SIZE_B = K_STEP * STRIDE_B;
var<workgroup> tile_b: array<f16, 2u * SIZE_B>;

fn b_line(item: u32, index: u32) -> u32 { return index / (TILE_COLUMNS / 4u) + item * (THREADS / (TILE_COLUMNS / 4u)); }
fn b_four(index: u32) -> u32 { return index % (TILE_COLUMNS / 4u); }

fn load_right(part: u32, k: u32, column: u32) -> Right {
  return subgroupMatrixLoad<Right, row_major>(&tile_b, part * SIZE_B + k * STRIDE_B + column, STRIDE_B);
}
`;

/** b in memory as [columns, k]: an item is four steps of one column. */
const B_ALONG = /* wgsl */ `
const STRIDE_B = K_STEP + ${PADDING}u;
const SIZE_B = TILE_COLUMNS * STRIDE_B;
var<workgroup> tile_b: array<f16, 2u * SIZE_B>;

fn b_line(item: u32, index: u32) -> u32 { return index / FOURS + item * (THREADS / FOURS); }
fn b_four(index: u32) -> u32 { return index % FOURS; }

fn load_right(part: u32, k: u32, column: u32) -> Right {
  return subgroupMatrixLoad<Right, col_major>(&tile_b, part * SIZE_B + column * STRIDE_B + k, STRIDE_B);
}
`;

const MAIN = /* wgsl */ `
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  // The same in all of a subgroup, which the compiler could not see.
  let subgroup = subgroupBroadcastFirst(index / SUBGROUP);
  let lane = index % SUBGROUP;
  let top = subgroup / ACROSS * SUB_ROWS;
  let side = subgroup % ACROSS * SUB_COLUMNS;
  let steps = step_count(group);
  begin(group, index);
  if (index < 2u) {
    atomicStore(&largest[index], 0u);
  }
  workgroupBarrier();
  var a: array<vec4f, A_ITEMS>;
  var b: array<vec4f, B_ITEMS>;
  var sums: array<Sum, BANDS * PANELS>;
  var exponent_a = -100;
  var exponent_b = -100;
  // One round more than steps: the first only fetches.
  for (var s = 0u; s <= steps; s++) {
    if (s > 0u) {
      // 1. What was fetched goes to workgroup memory, at exponents that it fits.
      let before = vec2i(exponent_a, exponent_b);
      exponent_a = exponent(exponent_a, 0u);
      exponent_b = exponent(exponent_b, 1u);
      if (s > 1u && any(vec2i(exponent_a, exponent_b) != before)) {
        for (var i = 0u; i < BANDS * PANELS; i++) {
          sums[i] = subgroupMatrixScalarMultiply(sums[i], power(before.x - exponent_a));
          sums[i] = subgroupMatrixScalarMultiply(sums[i], power(before.y - exponent_b));
        }
      }
      for (var i = 0u; i < A_ITEMS; i++) {
        put_a(a_place(i, index), a[i] * power(-exponent_a));
      }
      for (var i = 0u; i < B_ITEMS; i++) {
        put_b(b_line(i, index) * STRIDE_B + b_four(index) * 4u, b[i] * power(-exponent_b));
      }
      workgroupBarrier();
      if (s < steps) {
        advance();
      }
    }
    // 2. The next steps are fetched while the present ones are multiplied.
    if (s < steps) {
      for (var i = 0u; i < A_ITEMS; i++) {
        a[i] = fetch_a(i, index);
      }
      for (var i = 0u; i < B_ITEMS; i++) {
        b[i] = fetch_b(i, index);
      }
    }
    for (var k = 0u; s > 0u && k < K_STEP; k += MATRIX_K) {
      var high: array<Right, PANELS>;
      var low: array<Right, PANELS>;
      for (var j = 0u; j < PANELS; j++) {
        high[j] = load_right(0u, k, side + j * MATRIX_N);
        low[j] = load_right(1u, k, side + j * MATRIX_N);
      }
      for (var i = 0u; i < BANDS; i++) {
        if (PARTIAL_ROWS == 0u || has_row(top + i * MATRIX_M)) {
          let left = load_left(0u, top + i * MATRIX_M, k);
          let rest = load_left(1u, top + i * MATRIX_M, k);
          for (var j = 0u; j < PANELS; j++) {
            let p = i * PANELS + j;
            sums[p] = subgroupMatrixMultiplyAccumulate(rest, high[j], sums[p]);
            sums[p] = subgroupMatrixMultiplyAccumulate(left, low[j], sums[p]);
            sums[p] = subgroupMatrixMultiplyAccumulate(left, high[j], sums[p]);
          }
        }
      }
    }
    // 3. The largest magnitudes so far.
    if (s < steps) {
      var a_most = 0.0;
      for (var i = 0u; i < A_ITEMS; i++) {
        a_most = max(a_most, most(a[i]));
      }
      var b_most = 0.0;
      for (var i = 0u; i < B_ITEMS; i++) {
        b_most = max(b_most, most(b[i]));
      }
      a_most = subgroupMax(a_most);
      b_most = subgroupMax(b_most);
      if (lane == 0u) {
        atomicMax(&largest[0], bitcast<u32>(a_most));
        atomicMax(&largest[1], bitcast<u32>(b_most));
      }
    }
    workgroupBarrier();
  }
  let mine = subgroup * MATRIX_M * MATRIX_N;
  for (var i = 0u; i < BANDS; i++) {
    for (var j = 0u; j < PANELS; j++) {
      subgroupMatrixStore<row_major>(&tile_y, mine, sums[i * PANELS + j], MATRIX_N);
      workgroupBarrier();
      for (var e = lane; e < MATRIX_M * MATRIX_N / 4u; e += SUBGROUP) {
        let p = mine + e * 4u;
        // One factor after the other: their product may be beyond f32.
        let v = vec4f(tile_y[p], tile_y[p + 1u], tile_y[p + 2u], tile_y[p + 3u]) * power(exponent_a) * power(exponent_b);
        put(top + i * MATRIX_M + e / (MATRIX_N / 4u), (side + j * MATRIX_N) / 4u + e % (MATRIX_N / 4u), v);
      }
      workgroupBarrier();
    }
  }
}
`;

/**
 * The kernel of a tile, for \`hooks\` as those of \`matrixTileCode\`, which read and give f32. Where a's neighbours lie across k,
 * \`fetch_a\` gives four rows, at line \`a_line(item, index)\` of the steps and four \`a_four(index)\` of the rows.
 */
export function splitTileCode(hooks: string, a: Neighbours, b: Neighbours, caps: DeviceCaps): string {
  const operands = (a === 'along k' ? A_ALONG : A_ACROSS) + (b === 'along k' ? B_ALONG : B_ACROSS);
  return `${TILE_CODE}${operands}${hooks}\n@compute @workgroup_size(THREADS)${subgroupSizeAttribute(caps)}${MAIN}`;
}
