/**
 * A tile of a matrix product on matrix units (tensor cores): f16 operands, f32 sums. A workgroup makes TILE_ROWS x TILE_COLUMNS
 * of the result, each of its subgroups SUB_ROWS x SUB_COLUMNS of that. K_STEP steps of k lie in workgroup memory as f16; what
 * the next K_STEP steps need is fetched into registers before the present ones are multiplied.
 *
 * The WGSL is that of https://dawn.googlesource.com/dawn (docs/tint/extensions, subgroup matrix) since August 2026, behind the
 * feature chromium-experimental-subgroup-matrix.
 */
import type { DeviceCaps, SubgroupMatrix } from '../../tensor/device/device_caps.ts';
import type { MatrixWork } from '../../tensor/dispatch.ts';

/** Steps of k in workgroup memory at a time. */
const K_STEP = 32;
/** Elements between rows in workgroup memory beyond their own, against bank conflicts. */
const PADDING = 8;
/** Workgroups that keep the largest GPUs busy (132 multiprocessors with two each): with fewer, tiles are smaller. */
const MANY_WORKGROUPS = 264;

/** Sizes of the tile that a workgroup makes, and the part of it that one subgroup makes. */
export interface TileSize {
  readonly rows: number;
  readonly columns: number;
  readonly subRows: number;
  readonly subColumns: number;
}

/** The largest first. A column count that is no multiple of 128 takes 64, so that no more than 63 columns are computed in vain. */
const TILES: readonly TileSize[] = [
  { rows: 128, columns: 128, subRows: 64, subColumns: 32 },
  { rows: 128, columns: 64, subRows: 32, subColumns: 32 },
  { rows: 64, columns: 64, subRows: 32, subColumns: 32 },
];

/** A CPU driver expands one multiplication into hundreds of instructions, so it gets few of them to compile. */
const SOFTWARE_TILE: TileSize = { rows: 32, columns: 32, subRows: 16, subColumns: 16 };

const subgroupsOf = ({ rows, columns, subRows, subColumns }: TileSize): number =>
  (rows / subRows) * (columns / subColumns);

/** Bytes of workgroup memory of a tile: both operands in f16, and one matrix of sums for each subgroup. */
function workgroupBytes(tile: TileSize, { m, n }: SubgroupMatrix): number {
  const a = tile.rows * (K_STEP + PADDING);
  const b = Math.max(K_STEP * (tile.columns + PADDING), tile.columns * (K_STEP + PADDING));
  return 2 * (a + b) + 4 * subgroupsOf(tile) * m * n;
}

/**
 * The f16 x f16 → f32 shape with the most multiplications that divides the tiles. All subgroups must have one size: the
 * adapter's only one, or 32 where the adapter lets a kernel choose it.
 * @returns null where the adapter has none
 */
export function matrixShape(caps: DeviceCaps): SubgroupMatrix | null {
  const [shape] = (caps.subgroupMatrices ?? [])
    .filter(({ component, result }) => component === 'f16' && result === 'f32')
    .filter(({ m, n, k }) => [8, 16].includes(m) && [8, 16].includes(n) && [8, 16, 32].includes(k))
    .sort((a, b) => b.m * b.n * b.k - a.m * a.n * a.k);
  return caps.f16 && caps.subgroups && subgroupSize(caps) !== null ? (shape ?? null) : null;
}

/** Invocations of a subgroup in kernels with matrices. @returns null where the adapter may choose it differently each time */
export function subgroupSize(caps: DeviceCaps): number | null {
  if (caps.subgroupMinSize === caps.subgroupMaxSize) {
    return caps.subgroupMinSize;
  }
  return caps.subgroupSizeControl && caps.subgroupMinSize <= 32 && caps.subgroupMaxSize >= 32 ? 32 : null;
}

/** The attribute of an entry point that fixes the subgroup size, where the adapter has several. */
export const subgroupSizeAttribute = (caps: DeviceCaps): string =>
  caps.subgroupMinSize === caps.subgroupMaxSize ? '' : ' @subgroup_size(SUBGROUP)';

export interface MatrixTile {
  readonly rows: number;
  readonly columns: number;
  /** Steps of k in workgroup memory at a time. */
  readonly step: number;
  readonly constants: Readonly<Record<string, number>>;
}

/**
 * The tile for `batch` products of `m` rows and `n` columns: the largest of which there are enough to fill a GPU, else the smallest.
 * @param bytes workgroup memory of a tile
 * @param maxColumns of a tile
 * @returns null where the adapter has no matrix units that fit
 */
export function tileOf(
  m: number,
  n: number,
  batch: number,
  caps: DeviceCaps,
  bytes: (tile: TileSize, shape: SubgroupMatrix) => number,
  maxColumns = Number.POSITIVE_INFINITY,
): MatrixTile | null {
  const shape = matrixShape(caps);
  const subgroup = subgroupSize(caps);
  if (!shape || subgroup === null) {
    return null;
  }
  const fits = (caps.software ? [SOFTWARE_TILE] : TILES).filter(
    (tile) =>
      bytes(tile, shape) <= caps.maxWorkgroupStorage &&
      subgroupsOf(tile) * subgroup <= caps.maxInvocations &&
      tile.columns <= maxColumns &&
      (n % tile.columns === 0 || tile.columns <= 64),
  );
  const many = ({ rows, columns }: TileSize): boolean =>
    Math.ceil(m / rows) * Math.ceil(n / columns) * batch >= MANY_WORKGROUPS;
  const tile = fits.find(many) ?? fits.at(-1);
  return tile
    ? {
        rows: tile.rows,
        columns: tile.columns,
        step: K_STEP,
        constants: {
          MATRIX_M: shape.m,
          MATRIX_N: shape.n,
          MATRIX_K: shape.k,
          SUBGROUP: subgroup,
          TILE_ROWS: tile.rows,
          TILE_COLUMNS: tile.columns,
          SUB_ROWS: tile.subRows,
          SUB_COLUMNS: tile.subColumns,
          PARTIAL_ROWS: m % tile.rows === 0 ? 0 : 1,
        },
      }
    : null;
}

/** The tile for f16 operands. */
export const matrixTile = (m: number, n: number, batch: number, caps: DeviceCaps): MatrixTile | null =>
  tileOf(m, n, batch, caps, workgroupBytes);

/** The size of a product: [m,k] times [k,n]. k may be in parts, each of which takes whole steps of the tile. */
export interface ProductSize {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly parts?: number;
  readonly batch: number;
}

const upTo = (size: number, whole: number): number => Math.ceil(size / whole) * whole;

/** The work of products on matrix units, in tiles. @param products for one of the operands, which are f16 if it is 1, else f32 */
export function tileWork({ rows, columns, step, constants }: MatrixTile, size: ProductSize, products = 1): MatrixWork {
  const { MATRIX_M = 0, MATRIX_N = 0, MATRIX_K = 0, SUB_ROWS = 0, SUB_COLUMNS = 0 } = constants;
  const { m, n, k, parts = 1, batch } = size;
  // Matrices below the last row are left out; columns and steps are whole tiles.
  const padded = upTo(m, MATRIX_M) * upTo(n, columns) * parts * upTo(k, step) * batch;
  return {
    products,
    flops: 2 * padded * products,
    multiplications: (SUB_ROWS / MATRIX_M) * (SUB_COLUMNS / MATRIX_N) * (step / MATRIX_K) * products,
    bytesPerFlop: ((products === 1 ? 2 : 4) * (rows + columns)) / (2 * rows * columns * products),
  };
}

const TILE_CODE = /* wgsl */ `
alias Left = subgroup_matrix_left<f16, MATRIX_K, MATRIX_M>;
alias Right = subgroup_matrix_right<f16, MATRIX_N, MATRIX_K>;
alias Sum = subgroup_matrix_result<f32, MATRIX_N, MATRIX_M>;
alias Element = f16;
alias Four = vec4<f16>;

const K_STEP = ${K_STEP}u;
const FOURS = K_STEP / 4u;
const ACROSS = TILE_COLUMNS / SUB_COLUMNS;
const THREADS = TILE_ROWS / SUB_ROWS * ACROSS * SUBGROUP;
const BANDS = SUB_ROWS / MATRIX_M;
const PANELS = SUB_COLUMNS / MATRIX_N;
const A_ITEMS = TILE_ROWS * FOURS / THREADS;
const B_ITEMS = TILE_COLUMNS * FOURS / THREADS;
const STRIDE_A = K_STEP + ${PADDING}u;

var<workgroup> tile_a: array<f16, TILE_ROWS * STRIDE_A>;
var<workgroup> tile_y: array<f32, TILE_ROWS / SUB_ROWS * ACROSS * MATRIX_M * MATRIX_N>;

/** The row of a in the tile of an invocation's item, and the first of its four steps of k. */
fn a_row(item: u32, index: u32) -> u32 { return index / FOURS + item * (THREADS / FOURS); }
fn a_k(index: u32) -> u32 { return index % FOURS * 4u; }

fn put_a(i: u32, v: Four) {
  tile_a[i] = v.x;
  tile_a[i + 1u] = v.y;
  tile_a[i + 2u] = v.z;
  tile_a[i + 3u] = v.w;
}

fn put_b(i: u32, v: Four) {
  tile_b[i] = v.x;
  tile_b[i + 1u] = v.y;
  tile_b[i + 2u] = v.z;
  tile_b[i + 3u] = v.w;
}
`;

/** b in memory as [k, columns]: an item is four columns of one step. */
const B_BY_COLUMNS = /* wgsl */ `
const STRIDE_B = TILE_COLUMNS + ${PADDING}u;
var<workgroup> tile_b: array<f16, K_STEP * STRIDE_B>;

fn b_line(item: u32, index: u32) -> u32 { return index / (TILE_COLUMNS / 4u) + item * (THREADS / (TILE_COLUMNS / 4u)); }
fn b_four(index: u32) -> u32 { return index % (TILE_COLUMNS / 4u); }

fn load_right(step: u32, column: u32) -> Right {
  return subgroupMatrixLoad<Right, row_major>(&tile_b, step * STRIDE_B + column, STRIDE_B);
}
`;

/** b in memory as [columns, k]: an item is four steps of one column. */
const B_BY_STEPS = /* wgsl */ `
const STRIDE_B = K_STEP + ${PADDING}u;
var<workgroup> tile_b: array<f16, TILE_COLUMNS * STRIDE_B>;

fn b_line(item: u32, index: u32) -> u32 { return index / FOURS + item * (THREADS / FOURS); }
fn b_four(index: u32) -> u32 { return index % FOURS; }

fn load_right(step: u32, column: u32) -> Right {
  return subgroupMatrixLoad<Right, col_major>(&tile_b, column * STRIDE_B + step, STRIDE_B);
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
  var a: array<Four, A_ITEMS>;
  var b: array<Four, B_ITEMS>;
  for (var i = 0u; i < A_ITEMS; i++) {
    a[i] = fetch_a(i, index);
  }
  for (var i = 0u; i < B_ITEMS; i++) {
    b[i] = fetch_b(i, index);
  }
  var sums: array<Sum, BANDS * PANELS>;
  for (var s = 0u; s < steps; s++) {
    for (var i = 0u; i < A_ITEMS; i++) {
      put_a(a_row(i, index) * STRIDE_A + a_k(index), a[i]);
    }
    for (var i = 0u; i < B_ITEMS; i++) {
      put_b(b_line(i, index) * STRIDE_B + b_four(index) * 4u, b[i]);
    }
    workgroupBarrier();
    if (s + 1u < steps) {
      advance();
      for (var i = 0u; i < A_ITEMS; i++) {
        a[i] = fetch_a(i, index);
      }
      for (var i = 0u; i < B_ITEMS; i++) {
        b[i] = fetch_b(i, index);
      }
    }
    for (var k = 0u; k < K_STEP; k += MATRIX_K) {
      var right: array<Right, PANELS>;
      for (var j = 0u; j < PANELS; j++) {
        right[j] = load_right(k, side + j * MATRIX_N);
      }
      for (var i = 0u; i < BANDS; i++) {
        if (PARTIAL_ROWS == 0u || has_row(top + i * MATRIX_M)) {
          let left = subgroupMatrixLoad<Left, row_major>(&tile_a, (top + i * MATRIX_M) * STRIDE_A + k, STRIDE_A);
          for (var j = 0u; j < PANELS; j++) {
            sums[i * PANELS + j] = subgroupMatrixMultiplyAccumulate(left, right[j], sums[i * PANELS + j]);
          }
        }
      }
    }
    workgroupBarrier();
  }
`;

const STORE = /* wgsl */ `
  let mine = subgroup * MATRIX_M * MATRIX_N;
  for (var i = 0u; i < BANDS; i++) {
    for (var j = 0u; j < PANELS; j++) {
      subgroupMatrixStore<row_major>(&tile_y, mine, sums[i * PANELS + j], MATRIX_N);
      workgroupBarrier();
      for (var e = lane; e < MATRIX_M * MATRIX_N / 4u; e += SUBGROUP) {
        let p = mine + e * 4u;
        let v = vec4f(tile_y[p], tile_y[p + 1u], tile_y[p + 2u], tile_y[p + 3u]);
        put(top + i * MATRIX_M + e / (MATRIX_N / 4u), (side + j * MATRIX_N) / 4u + e % (MATRIX_N / 4u), v);
      }
      workgroupBarrier();
    }
  }
}
`;

/**
 * The kernel of a tile, for \`hooks\` that say what is multiplied. They define, with \`tile\` and vec4 counted as one:
 * - \`step_count(group)\`: how often K_STEP steps of k are taken, the same for the whole workgroup;
 * - \`begin(group, index)\` and \`advance()\`: place the invocation at the first and at the next K_STEP steps;
 * - \`fetch_a(item, index)\`: four steps of row \`a_row(item, index)\` from \`a_k(index)\` on, zero beyond the end of k;
 * - \`fetch_b(item, index)\`: four of b at line \`b_line(item, index)\` and four \`b_four(index)\`, finite beyond the end of k;
 * - \`has_row(row)\`: whether the tile's row is one of the result's;
 * - \`put(row, column, v)\`: stores four columns of the result, at the tile's row and vec4 of columns.
 * @param transposed b is in memory as [columns, k] rather than [k, columns]
 * @param beforeStore statements between the last multiplication and the first `put`
 */
export function matrixTileCode(hooks: string, transposed: boolean, caps: DeviceCaps, beforeStore = ''): string {
  const entry = `\n@compute @workgroup_size(THREADS)${subgroupSizeAttribute(caps)}`;
  return TILE_CODE + (transposed ? B_BY_STEPS : B_BY_COLUMNS) + hooks + entry + MAIN + beforeStore + STORE;
}
