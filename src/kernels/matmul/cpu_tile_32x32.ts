/** cpu_tile_32x32: for CPU drivers with subgroups of 8, 32 rows and 32 columns of y in a subgroup's registers (common/wide_tile_wgsl.ts). */
import type { Variant } from '../../tensor/op.ts';
import { hasSubgroupTile } from '../common/subgroup_tile.ts';
import { PUT_PRODUCT, WIDE_COLUMNS, WIDE_ROWS, wideTile } from '../common/wide_tile_wgsl.ts';
import type { MatmulAttrs, Problem } from './problem.ts';
import { siteProblem } from './problem.ts';
import { productDispatch } from './product.ts';

/** a [batch][m][k], b [batch][k][n], or [batch][n][k] with `transposeB`; k and n come in fours. */
const MATMUL_CPU_TILE_32X32 = /* wgsl */ `${PUT_PRODUCT}
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  place = vec3u(group.x * 8u + lane, group.y * 32u, group.z);
  let k4 = params.k / 4u;
  let last = params.m - 1u;
  let row = place.y + lane;
  let from_a = group.z * params.stepA / 4u;
  let a0 = from_a + min(row, last) * k4;
  let a1 = from_a + min(row + 8u, last) * k4;
  let a2 = from_a + min(row + 16u, last) * k4;
  let a3 = from_a + min(row + 24u, last) * k4;
  let from_b = group.z * params.stepB / 4u;
  let column = min(place.x, params.n4 - 1u);
  var sum = Wide();
  for (var k = 0u; k < k4; k++) {
    let a = Lanes(load_a(a0 + k), load_a(a1 + k), load_a(a2 + k), load_a(a3 + k));
    sum = wide_step(sum, a, steps_b(from_b, k, column, k4, params.n4));
  }
  put_wide(sum, params.m - place.y);
}
`;

export const cpuTile32x32: Variant<MatmulAttrs> = {
  name: 'cpu_tile_32x32',
  supports: (site, caps) => {
    const { m, n, k } = siteProblem(site);
    // For few rows cpu_tile_4x8 is faster, but it would have b transposed first.
    const isWorth = m >= WIDE_ROWS / 2 || (site.attrs.transposeB ?? false);
    return hasSubgroupTile(caps) && n % 4 === 0 && k % 4 === 0 && isWorth;
  },
  dispatches: (site) => {
    const groups = ({ batch, m, n }: Problem) =>
      [Math.ceil(n / WIDE_COLUMNS), Math.ceil(m / WIDE_ROWS), batch] as const;
    const code = wideTile(site.attrs.transposeB ?? false) + MATMUL_CPU_TILE_32X32;
    return productDispatch(site, 'matmul.cpu_tile_32x32', code, groups, 4, { vecA: 4, params: { tile: WIDE_ROWS } });
  },
};
