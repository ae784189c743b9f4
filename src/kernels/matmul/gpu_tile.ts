/** gpu_tile: for GPUs, a workgroup computes a tile of y from operands in workgroup memory (common/gpu_tile_wgsl.ts). */
import type { Dispatch } from '../../tensor/dispatch.ts';
import type { OpSite, Variant } from '../../tensor/op.ts';
import { GPU_TILE, GPU_TILE_COLUMNS, gpuTileRows, MAX_GPU_TILE_ROWS, operands } from '../common/gpu_tile_wgsl.ts';
import type { MatmulAttrs } from './problem.ts';
import { columnsInFours, siteProblem } from './problem.ts';
import { productDispatch } from './product.ts';

/** Leaves rows of a as they are before they are multiplied. */
const ROWS_AS_THEY_ARE = /* wgsl */ `
fn prepare(group: vec3u, start: u32, row: u32, index: u32) {}
fn normed(q: Quad, k: u32) -> Quad { return q; }
`;

/** The functions that a product adds to a kernel that computes a tile of y. */
const MATMUL_TILE = /* wgsl */ `
var<private> row0: u32;
var<private> column0: u32;
var<private> z: u32;

fn k_end() -> u32 { return params.k; }
fn columns4() -> u32 { return params.n4; }

fn put(row: u32, column: u32, v: vec4f) {
  if (row0 + row < params.m && column0 + column < params.n4) {
    let i = (z * params.m + row0 + row) * params.n4 + column0 + column;
    store_y(i, v + bias_at(column0 + column) + residual_at(i));
  }
}

/** Rows row … row + 3 of a at k … k + 3. */
fn fetch_a(start: u32, row: u32, k: u32) -> Quad {
  let last = params.m - 1u;
  return Quad(
    four_a(start + min(row, last) * params.k + k, k, params.k),
    four_a(start + min(row + 1u, last) * params.k + k, k, params.k),
    four_a(start + min(row + 2u, last) * params.k + k, k, params.k),
    four_a(start + min(row + 3u, last) * params.k + k, k, params.k),
  );
}
`;

/** Needs GPU_TILE. */
const MATMUL_GPU_TILE = /* wgsl */ `
${MATMUL_TILE}
@compute @workgroup_size(ROWS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  z = group.z;
  row0 = group.y * ROWS;
  column0 = group.x * 16u;
  let from_a = group.z * params.stepA;
  let from_b = group.z * params.stepB;
  let row = group.y * ROWS + (index >> 2u) * 4u;
  let k_a = (index & 3u) * 4u;
  let column = item_column(index);
  let k_b = item_k(index);
  let column_b = min(group.x * 16u + column, params.n4 - 1u);
  var sums = Sums();
  prepare(group, from_a, row, index);
  var a = normed(fetch_a(from_a, row, k_a), k_a);
  var b = Quad();
  if (index < 64u) {
    b = fetch_b(from_b, k_b, column_b);
  }
  for (var k = 0u; k < params.k; k += 16u) {
    put_a(index, a);
    if (index < 64u) {
      put_b(k_b, column, b);
    }
    workgroupBarrier();
    if (k + 16u < params.k) {
      a = normed(fetch_a(from_a, row, k + 16u + k_a), k + 16u + k_a);
      if (index < 64u) {
        b = fetch_b(from_b, k + 16u + k_b, column_b);
      }
    }
    multiply(&sums, index);
    workgroupBarrier();
  }
  put_sums(&sums, index);
}
`;

interface Tile {
  readonly label?: string;
  /** WGSL that stages and multiplies, with the functions of GPU_TILE. */
  readonly tile?: string;
  /** WGSL of `prepare` and `normed`, which it calls for the rows of a. */
  readonly norm?: string;
}

/** The dispatch of gpu_tile, or of one that differs from it in a part. */
export function tiledMatmul(
  site: OpSite<MatmulAttrs>,
  { label = 'matmul.gpu_tile', tile = GPU_TILE, norm = ROWS_AS_THEY_ARE }: Tile = {},
): Dispatch[] {
  const { m, n, k, batch } = siteProblem(site);
  const rows = gpuTileRows(m, n, batch);
  const { code, ...vec } = operands(k, site.attrs.transposeB ?? false);
  const groups = () => [Math.ceil(n / GPU_TILE_COLUMNS), Math.ceil(m / rows), batch] as const;
  return productDispatch(site, label, tile + code + MATMUL_GPU_TILE + norm, groups, 4, {
    constants: { ROWS: rows },
    ...vec,
  });
}

export const gpuTile: Variant<MatmulAttrs> = {
  name: 'gpu_tile',
  supports: (site, caps) => caps.maxInvocations >= MAX_GPU_TILE_ROWS && columnsInFours(site),
  dispatches: (site) => tiledMatmul(site),
};
