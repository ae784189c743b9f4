/** cpu_tile_4x8: for CPU drivers, 4 rows and 8 columns of y in the registers of an invocation (common/narrow_tile_wgsl.ts). */
import type { Variant } from '../../tensor/op.ts';
import { NARROW_COLUMNS, NARROW_ROWS, NARROW_TILE } from '../common/narrow_tile_wgsl.ts';
import { throughScratch } from '../common/transposed_weight.ts';
import type { MatmulAttrs, Problem } from './problem.ts';
import { columnsInFours } from './problem.ts';
import { productDispatch } from './product.ts';

/** `n4` = n / 4. */
const MATMUL_CPU_TILE_4X8 = /* wgsl */ `
var<private> place: vec3u;

fn put(r: u32, c: u32, v: vec4f) {
  let row = place.y + r;
  let column = place.x + c;
  if (row < params.m && column < params.n4) {
    let i = (place.z * params.m + row) * params.n4 + column;
    store_y(i, v + bias_at(column) + residual_at(i));
  }
}

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  place = vec3u(id.x * 2u, id.y * 4u, id.z);
  if (place.x >= params.n4) {
    return;
  }
  let second = min(place.x + 1u, params.n4 - 1u);
  let rows = min(place.y + vec4u(0u, 1u, 2u, 3u), vec4u(params.m - 1u));
  let from_a = id.z * params.stepA + rows * params.k;
  let from_b = id.z * params.stepB / 4u;
  var sum = Narrow();
  for (var k = 0u; k < params.k; k++) {
    let a = vec4f(load_a(from_a.x + k), load_a(from_a.y + k), load_a(from_a.z + k), load_a(from_a.w + k));
    let i = from_b + k * params.n4;
    sum = narrow_step(sum, a, load_b(i + place.x), load_b(i + second));
  }
  put_narrow(sum);
}
`;

const tile: Variant<MatmulAttrs> = {
  name: 'cpu_tile_4x8',
  supports: (site, caps) => caps.software && columnsInFours(site),
  dispatches: (site) => {
    const groups = ({ batch, m, n }: Problem) =>
      [Math.ceil(n / NARROW_COLUMNS), Math.ceil(m / NARROW_ROWS), batch] as const;
    return productDispatch(site, 'matmul.cpu_tile_4x8', NARROW_TILE + MATMUL_CPU_TILE_4X8, groups, 4, {
      params: { tile: 8 },
    });
  },
};

/** The kernel has b as [..., K, N] only. */
export const cpuTile4x8: Variant<MatmulAttrs> = throughScratch(tile, (attrs) =>
  attrs.transposeB ? { ...attrs, transposeB: false } : null,
);
