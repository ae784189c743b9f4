/**
 * subgroup_matrix: matrix units (tensor cores) behind the feature chromium-experimental-subgroup-matrix, where the device was opened
 * for them: f16 operands, f32 sums. WGSL as in https://dawn.googlesource.com/dawn (docs/tint/extensions, subgroup matrix) with the
 * load and store of August 2026.
 */
import type { DeviceCaps, SubgroupMatrix } from '../../tensor/device_caps.ts';
import type { Variant } from '../../tensor/op.ts';
import { operands, QUAD } from '../common/gpu_tile_wgsl.ts';
import { MATMUL_TILE } from './gpu_tile.ts';
import type { MatmulAttrs } from './problem.ts';
import { columnsInFours, siteProblem } from './problem.ts';
import { productDispatch } from './product.ts';

/** Rows and columns of y that a workgroup of four subgroups makes, 32 x 32 each. */
const MATRIX_TILE = 64;

/** Bytes of the arrays in MATRIX_MAIN, for matrices of 16 rows. */
const WORKGROUP_BYTES = 64 * 40 * 2 + 32 * 72 * 2 + 4 * 16 * 32 * 4;

/** The largest f16 x f16 → f32 shape that divides a subgroup's 32 x 32 and its 32 steps of k. @returns null where there is none */
function matrixShape(caps: DeviceCaps): SubgroupMatrix | null {
  const fits = (caps.subgroupMatrices ?? []).filter(
    ({ component, result, m, n, k }) =>
      component === 'f16' &&
      result === 'f32' &&
      [8, 16].includes(m) &&
      [8, 16, 32].includes(n) &&
      [8, 16, 32].includes(k),
  );
  const known = caps.f16 && caps.subgroups && caps.subgroupMinSize === caps.subgroupMaxSize;
  const roomy = caps.maxWorkgroupStorage >= WORKGROUP_BYTES && caps.maxInvocations >= 4 * caps.subgroupMaxSize;
  const [largest] = fits.sort((a, b) => b.m * b.n * b.k - a.m * a.n * a.k);
  return known && roomy ? (largest ?? null) : null;
}

function matrixConstants({ m, n, k }: SubgroupMatrix, caps: DeviceCaps): Readonly<Record<string, number>> {
  return { MATRIX_M: m, MATRIX_N: n, MATRIX_K: k, SUBGROUP: caps.subgroupMaxSize };
}

/**
 * The main of a product whose `put(row, column, v)`, `fetch_a`, `fetch_b` are those of the GPU tile: 32 steps of k lie in
 * workgroup memory as f16, with rows padded against bank conflicts; sums leave through it too, a band of rows at a time.
 */
const MATRIX_MAIN = /* wgsl */ `
alias Left = subgroup_matrix_left<f16, MATRIX_K, MATRIX_M>;
alias Right = subgroup_matrix_right<f16, MATRIX_N, MATRIX_K>;
alias Sum = subgroup_matrix_result<f32, MATRIX_N, MATRIX_M>;

const BANDS = 32u / MATRIX_M;
const PANELS = 32u / MATRIX_N;
const STRIDE_A = 40u;
const STRIDE_B = 72u;

var<workgroup> tile_a: array<f16, 64 * STRIDE_A>;
var<workgroup> tile_b: array<f16, 32 * STRIDE_B>;
var<workgroup> tile_y: array<f32, 4 * MATRIX_M * 32>;

fn put_four_a(i: u32, v: vec4f) {
  let h = vec4h(v);
  tile_a[i] = h.x;
  tile_a[i + 1u] = h.y;
  tile_a[i + 2u] = h.z;
  tile_a[i + 3u] = h.w;
}

fn put_four_b(i: u32, v: vec4f) {
  let h = vec4h(v);
  tile_b[i] = h.x;
  tile_b[i + 1u] = h.y;
  tile_b[i + 2u] = h.z;
  tile_b[i + 3u] = h.w;
}

@compute @workgroup_size(4 * SUBGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  z = group.z;
  row0 = group.y * 64u;
  column0 = group.x * 16u;
  let from_a = group.z * params.stepA;
  let from_b = group.z * params.stepB;
  let part = index / SUBGROUP;
  let lane = index % SUBGROUP;
  let top = (part >> 1u) * 32u;
  let side = (part & 1u) * 32u;
  var sums: array<Sum, BANDS * PANELS>;
  for (var k = 0u; k < params.k; k += 32u) {
    for (var item = index; item < 128u; item += 4u * SUBGROUP) {
      let i = item & 63u;
      let half = (item >> 6u) * 16u;
      let row = (i >> 2u) * 4u;
      let k_a = half + (i & 3u) * 4u;
      let a = fetch_a(from_a, row0 + row, k + k_a);
      let to_a = row * STRIDE_A + k_a;
      put_four_a(to_a, a.a);
      put_four_a(to_a + STRIDE_A, a.b);
      put_four_a(to_a + 2u * STRIDE_A, a.c);
      put_four_a(to_a + 3u * STRIDE_A, a.d);
      let column = item_column(i);
      let k_b = half + item_k(i);
      let b = fetch_b(from_b, k + k_b, min(column0 + column, params.n4 - 1u));
      let to_b = k_b * STRIDE_B + column * 4u;
      put_four_b(to_b, b.a);
      put_four_b(to_b + STRIDE_B, b.b);
      put_four_b(to_b + 2u * STRIDE_B, b.c);
      put_four_b(to_b + 3u * STRIDE_B, b.d);
    }
    workgroupBarrier();
    for (var step = 0u; step < 32u; step += MATRIX_K) {
      var right: array<Right, PANELS>;
      for (var j = 0u; j < PANELS; j++) {
        let place = step * STRIDE_B + side + j * MATRIX_N;
        right[j] = subgroupMatrixLoad<Right, row_major>(&tile_b, place, STRIDE_B);
      }
      for (var i = 0u; i < BANDS; i++) {
        let place = (top + i * MATRIX_M) * STRIDE_A + step;
        let left = subgroupMatrixLoad<Left, row_major>(&tile_a, place, STRIDE_A);
        for (var j = 0u; j < PANELS; j++) {
          sums[i * PANELS + j] = subgroupMatrixMultiplyAccumulate(left, right[j], sums[i * PANELS + j]);
        }
      }
    }
    workgroupBarrier();
  }
  let band = part * MATRIX_M * 32u;
  for (var i = 0u; i < BANDS; i++) {
    for (var j = 0u; j < PANELS; j++) {
      subgroupMatrixStore<row_major>(&tile_y, band + j * MATRIX_N, sums[i * PANELS + j], 32u);
    }
    workgroupBarrier();
    for (var e = lane; e < MATRIX_M * 8u; e += SUBGROUP) {
      let place = band + e * 4u;
      let v = vec4f(tile_y[place], tile_y[place + 1u], tile_y[place + 2u], tile_y[place + 3u]);
      put(top + i * MATRIX_M + (e >> 3u), (side >> 2u) + (e & 7u), v);
    }
    workgroupBarrier();
  }
}
`;

export const subgroupMatrix: Variant<MatmulAttrs> = {
  name: 'subgroup_matrix',
  supports: (site, caps) =>
    matrixShape(caps) !== null && columnsInFours(site) && site.inputs.slice(0, 2).every((t) => t.dtype === 'f16'),
  dispatches: (site, caps) => {
    const shape = matrixShape(caps);
    if (!shape) {
      throw new Error('matmul.subgroup_matrix needs f16 matrices in subgroups');
    }
    const { m, n, k, batch } = siteProblem(site);
    const { code, ...vec } = operands(k, site.attrs.transposeB ?? false);
    const groups = () => [Math.ceil(n / MATRIX_TILE), Math.ceil(m / MATRIX_TILE), batch] as const;
    const extra = { constants: matrixConstants(shape, caps), ...vec };
    return productDispatch(site, 'matmul.subgroup_matrix', QUAD + code + MATMUL_TILE + MATRIX_MAIN, groups, 4, extra);
  },
};
