/**
 * subgroup_matrix: matrix units (tensor cores), f16 operands and f32 sums. A workgroup computes a tile of common/matrix_tile.ts
 * whose rows are rows of a and whose columns are columns of b. subgroup_matrix_split: the same for f32 operands.
 */
import type { DeviceCaps } from '../../tensor/device/device_caps.ts';
import type { Dispatch } from '../../tensor/dispatch.ts';
import type { OpSite, Variant } from '../../tensor/op.ts';
import type { DType } from '../../tensor/types.ts';
import { type MatrixTile, matrixTile, matrixTileCode, tileWork } from '../common/matrix_tile.ts';
import { SPLIT_PRODUCTS, splitTile, splitTileCode } from '../common/split_tile.ts';
import type { MatmulAttrs } from './problem.ts';
import { columnsInFours, siteProblem } from './problem.ts';
import { productDispatch } from './product.ts';

// Element is the operands' f16 or f32, and Four a vec4 of it.

/** Four steps of k of a's row that begins at element `start`, zero beyond the end. a is bound as vec4s, or as single elements. */
const A_IN_FOURS = /* wgsl */ `
fn four_a(start: u32, k: u32) -> Four {
  return select(Four(), a[(start + min(k, params.k - 4u)) / 4u], k < params.k);
}
`;
const A_ONE_BY_ONE = /* wgsl */ `
fn one_a(start: u32, k: u32) -> Element {
  return select(Element(), a[start + min(k, params.k - 1u)], k < params.k);
}
fn four_a(start: u32, k: u32) -> Four {
  return Four(one_a(start, k), one_a(start, k + 1u), one_a(start, k + 2u), one_a(start, k + 3u));
}
`;

const B_BY_COLUMNS = /* wgsl */ `
fn fetch_b(item: u32, index: u32) -> Four {
  let k = min(first_k + b_line(item, index), params.k - 1u);
  return b[product * params.stepB / 4u + k * params.n4 + min(first_column / 4u + b_four(index), params.n4 - 1u)];
}
`;
const B_BY_STEPS = /* wgsl */ `
fn fetch_b(item: u32, index: u32) -> Four {
  let column = min(first_column + b_line(item, index), params.n - 1u);
  return b[(product * params.stepB + column * params.k + min(first_k + b_four(index) * 4u, params.k - 4u)) / 4u];
}
`;
const B_BY_STEPS_ONE_BY_ONE = /* wgsl */ `
fn fetch_b(item: u32, index: u32) -> Four {
  let column = min(first_column + b_line(item, index), params.n - 1u);
  let start = product * params.stepB + column * params.k;
  let k = min(first_k + b_four(index) * 4u + vec4u(0u, 1u, 2u, 3u), vec4u(params.k - 1u));
  return Four(b[start + k.x], b[start + k.y], b[start + k.z], b[start + k.w]);
}
`;

const PRODUCT = /* wgsl */ `
var<private> first_row: u32;
var<private> first_column: u32;
var<private> product: u32;
var<private> first_k: u32;

fn step_count(group: vec3u) -> u32 { return (params.k + K_STEP - 1u) / K_STEP; }

fn place(group: vec3u) {
  first_row = group.y * TILE_ROWS;
  first_column = group.x * TILE_COLUMNS;
  product = group.z;
}

fn advance() { first_k += K_STEP; }

fn has_row(row: u32) -> bool { return first_row + row < params.m; }

fn start_of(item: u32, index: u32) -> u32 {
  return product * params.stepA + min(first_row + a_row(item, index), params.m - 1u) * params.k;
}
`;

/** Stores the product, its bias and its residual. */
const PUT = /* wgsl */ `
fn put(r: u32, c: u32, v: vec4f) {
  let row = first_row + r;
  let column = first_column / 4u + c;
  if (row < params.m && column < params.n4) {
    let i = (product * params.m + row) * params.n4 + column;
    store_y(i, v + bias_at(column) + residual_at(i));
  }
}
`;

const ROWS_AS_STORED = /* wgsl */ `
fn begin(group: vec3u, index: u32) { place(group); }
fn fetch_a(item: u32, index: u32) -> Four { return four_a(start_of(item, index), first_k + a_k(index)); }
`;

/**
 * Rows of a through a layer norm, whose statistics each workgroup finds for its own rows: eight neighbouring invocations share
 * a row. Sums are taken around an average of the row's beginning, so that nothing cancels.
 */
const ROWS_NORMALISED = /* wgsl */ `
var<private> row_mean: array<f32, A_ITEMS>;
var<private> row_scale: array<f32, A_ITEMS>;
var<private> gains: u32;

fn sum_of_row(x: f32) -> f32 {
  let a = x + subgroupShuffleXor(x, 1u);
  let b = a + subgroupShuffleXor(a, 2u);
  return b + subgroupShuffleXor(b, 4u);
}

fn begin(group: vec3u, index: u32) {
  place(group);
  gains = group.z * params.gain_step;
  for (var i = 0u; i < A_ITEMS; i++) {
    let start = start_of(i, index);
    let origin = sum_of_row(dot(vec4f(four_a(start, a_k(index))), vec4f(1.0))) / f32(min(K_STEP, params.k));
    var sum = 0.0;
    var squares = 0.0;
    for (var k = a_k(index); k < params.k; k += K_STEP) {
      let v = vec4f(four_a(start, k)) - origin;
      sum += dot(v, vec4f(1.0));
      squares += dot(v, v);
    }
    let mean = sum_of_row(sum) * params.share;
    row_mean[i] = origin + mean;
    row_scale[i] = 1.0 / sqrt(max(sum_of_row(squares) * params.share - mean * mean, 0.0) + params.eps);
    let row = first_row + a_row(i, index);
    if (group.x == 0u && a_k(index) == 0u && row < params.m) {
      store_stats(2u * (group.z * params.m + row), row_mean[i]);
      store_stats(2u * (group.z * params.m + row) + 1u, row_scale[i]);
    }
  }
}

fn fetch_a(item: u32, index: u32) -> Four {
  let k = first_k + a_k(index);
  let column = gains + min(k, params.k - 4u) / 4u;
  let v = (vec4f(four_a(start_of(item, index), k)) - row_mean[item]) * row_scale[item] * load_gamma(column) + load_beta(column);
  keep(start_of(item, index), first_row + a_row(item, index), k, v);
  return select(Four(), Four(v), k < params.k);
}
`;

/** Other ops read the normalised rows too: the workgroups of the first columns store them. */
const KEEP = /* wgsl */ `
fn keep(start: u32, row: u32, k: u32, v: vec4f) {
  if (first_column == 0u && row < params.m && k < params.k) {
    store_kept((start + k) / 4u, v);
  }
}
`;
const KEEP_NOTHING = /* wgsl */ `
fn keep(start: u32, row: u32, k: u32, v: vec4f) {}
`;

/** The ways in which rows of a become operands. */
const ROWS = {
  'as stored': ROWS_AS_STORED,
  normalised: ROWS_NORMALISED + KEEP_NOTHING,
  'normalised and stored': ROWS_NORMALISED + KEEP,
} as const;

type RowsOf = keyof typeof ROWS;

/** Whether both operands are `dtype`. */
export const areOperands = (site: OpSite<MatmulAttrs>, type: DType): boolean =>
  site.inputs.slice(0, 2).every(({ dtype }) => dtype === type);

/** Whether both operands are f16 and the adapter has matrix units for them. */
export function hasMatrices(site: OpSite<MatmulAttrs>, caps: DeviceCaps): boolean {
  const { m, n, batch } = siteProblem(site);
  return areOperands(site, 'f16') && columnsInFours(site) && matrixTile(m, n, batch, caps) !== null;
}

/**
 * The dispatch of subgroup_matrix, for rows of a as they are stored or through a layer norm (layer_norm_linear.ts).
 * @throws Error where `hasMatrices` is false
 */
export function matrixMatmul(site: OpSite<MatmulAttrs>, caps: DeviceCaps, rows: RowsOf): Dispatch[] {
  const { m, n, batch } = siteProblem(site);
  const transposed = site.attrs.transposeB ?? false;
  return tiles(site, 'matmul.subgroup_matrix', matrixTile(m, n, batch, caps), rows, (hooks) =>
    matrixTileCode(hooks, transposed, caps),
  );
}

function tiles(
  site: OpSite<MatmulAttrs>,
  label: string,
  tile: MatrixTile | null,
  rows: RowsOf,
  code: (hooks: string) => string,
  products = 1,
): Dispatch[] {
  if (!tile) {
    throw new Error(`${label} needs f16 matrices in subgroups`);
  }
  const { m, n, k, batch } = siteProblem(site);
  const fours = k % 4 === 0;
  const hooks = productHooks(site, PUT + ROWS[rows]);
  const groups = () => [Math.ceil(n / tile.columns), Math.ceil(m / tile.rows), batch] as const;
  return productDispatch(site, label, code(hooks), groups, 4, {
    constants: tile.constants,
    vecA: fours ? 4 : 1,
    vecB: site.attrs.transposeB && !fours ? 1 : 4,
  }).map((dispatch) => ({ ...dispatch, matrixWork: tileWork(tile, { m, n, k, batch }, products) }));
}

/**
 * The hooks of common/matrix_tile.ts for a product, with `rows` that define `begin`, `fetch_a` and `put`. They find the operands in
 * `a` and `b`, and `four_a(start, k)`: four steps of the row of a that begins at element `start`, zero beyond the end of k.
 */
export function productHooks(site: OpSite<MatmulAttrs>, rows: string): string {
  const fours = siteProblem(site).k % 4 === 0;
  const b = site.attrs.transposeB ? (fours ? B_BY_STEPS : B_BY_STEPS_ONE_BY_ONE) : B_BY_COLUMNS;
  return PRODUCT + (fours ? A_IN_FOURS : A_ONE_BY_ONE) + rows + b;
}

export const subgroupMatrix: Variant<MatmulAttrs> = {
  name: 'subgroup_matrix',
  supports: hasMatrices,
  dispatches: (site, caps) => matrixMatmul(site, caps, 'as stored'),
};

/** f32 operands as sums of two f16 numbers (common/split_tile.ts). */
export const subgroupMatrixSplit: Variant<MatmulAttrs> = {
  name: 'subgroup_matrix_split',
  supports: (site, caps) => {
    const { m, n, batch } = siteProblem(site);
    return areOperands(site, 'f32') && columnsInFours(site) && splitTile(m, n, batch, caps) !== null;
  },
  dispatches: (site, caps) => {
    const { m, n, batch } = siteProblem(site);
    const b = site.attrs.transposeB ? 'along k' : 'across k';
    const tile = splitTile(m, n, batch, caps);
    const code = (hooks: string): string => splitTileCode(hooks, 'along k', b, caps);
    return tiles(site, 'matmul.subgroup_matrix_split', tile, 'as stored', code, SPLIT_PRODUCTS);
  },
};
