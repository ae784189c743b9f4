/** naive: an invocation computes one element of y. */
import { MAX_GROUPS_PER_DIMENSION } from '../../tensor/grid.ts';
import type { Variant } from '../../tensor/op.ts';
import { at } from '../../tensor/types.ts';
import { canStoreOne } from '../common/site.ts';
import type { MatmulAttrs, Problem } from './problem.ts';
import { siteProblem } from './problem.ts';
import { productDispatch } from './product.ts';

/** `rowB`, `columnB` are the distances of b's neighbours along k and n. */
const MATMUL_NAIVE = /* wgsl */ `
@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  let row = id.y;
  if (column >= params.n || row >= params.m) {
    return;
  }
  let from_a = id.z * params.stepA + row * params.k;
  let from_b = id.z * params.stepB + column * params.columnB;
  var sum = 0.0;
  for (var i = 0u; i < params.k; i++) {
    sum += load_a(from_a + i) * load_b(from_b + i * params.rowB);
  }
  let i = (id.z * params.m + row) * params.n + column;
  store_y(i, sum + bias_at(column) + residual_at(i));
}
`;

export const naive: Variant<MatmulAttrs> = {
  name: 'naive',
  supports: (site, caps) => {
    const { batch, m, n } = siteProblem(site);
    const fits = Math.max(Math.ceil(n / 8), Math.ceil(m / 8), batch) <= MAX_GROUPS_PER_DIMENSION;
    return fits && canStoreOne(at(site.outputs, 0), caps);
  },
  dispatches: (site) => {
    const { n, k } = siteProblem(site);
    const strides = site.attrs.transposeB ? { columnB: k, rowB: 1 } : { columnB: 1, rowB: n };
    const groups = ({ batch, m }: Problem) => [Math.ceil(n / 8), Math.ceil(m / 8), batch] as const;
    return productDispatch(site, 'matmul.naive', MATMUL_NAIVE, groups, 1, { params: strides });
  },
};
