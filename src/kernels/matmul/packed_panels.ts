/** packed_panels: for CPU drivers, both operands packed into panels in scratch, then multiplied (common/panels.ts). */
import type { Dispatch } from '../../tensor/dispatch.ts';
import type { Variant } from '../../tensor/op.ts';
import type { TensorType } from '../../tensor/types.ts';
import { byteSize } from '../../tensor/types.ts';
import { read, write } from '../common/bindings.ts';
import { epilogueCode } from '../common/epilogue_wgsl.ts';
import type { Operands, PanelProblem } from '../common/panels.ts';
import { panelProduct, upTo } from '../common/panels.ts';
import { hasSubgroupTile } from '../common/subgroup_tile.ts';
import { WIDE_COLUMNS, WIDE_ROWS } from '../common/wide_tile_wgsl.ts';
import type { MatmulAttrs } from './problem.ts';
import { siteProblem } from './problem.ts';
import { resultBindings } from './product.ts';

/** Steps of k that an invocation packs. */
const PACK_STEPS = 64;

/** Packs eight rows of a [m][k]. */
const PACK_ROWS = /* wgsl */ `
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x * 8u + lane;
  if (row >= params.m) {
    return;
  }
  let k4 = params.k / 4u;
  let to = row / 32u * k4 * 32u + row % 32u;
  for (var k = group.y * params.steps / 4u; k < min(k4, (group.y + 1u) * params.steps / 4u); k++) {
    store_panels(to + 32u * k, load_a(row * k4 + k));
  }
}
`;

/** Packs 32 columns of b [k][n]. */
const PACK_COLUMNS = /* wgsl */ `
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let column = group.x * 8u + lane;
  if (column >= params.n4) {
    return;
  }
  let to = group.x * params.k * 8u + lane;
  for (var k = group.y * params.steps; k < min(params.k, (group.y + 1u) * params.steps); k++) {
    store_panels(to + 8u * k, load_b(k * params.n4 + column));
  }
}
`;

/** Packs 32 columns of b [n][k], transposed in registers. */
const PACK_COLUMNS_TRANSPOSED = /* wgsl */ `
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let column = group.x * 8u + lane;
  if (column >= params.n4) {
    return;
  }
  let k4 = params.k / 4u;
  let to = group.x * params.k * 8u + lane;
  for (var k = group.y * params.steps / 4u; k < min(k4, (group.y + 1u) * params.steps / 4u); k++) {
    let i = 4u * column * k4 + k;
    let a = load_b(i);
    let b = load_b(i + k4);
    let c = load_b(i + 2u * k4);
    let d = load_b(i + 3u * k4);
    store_panels(to + 32u * k, vec4f(a.x, b.x, c.x, d.x));
    store_panels(to + 32u * k + 8u, vec4f(a.y, b.y, c.y, d.y));
    store_panels(to + 32u * k + 16u, vec4f(a.z, b.z, c.z, d.z));
    store_panels(to + 32u * k + 24u, vec4f(a.w, b.w, c.w, d.w));
  }
}
`;

/** Least m n / (m + n): from here on packing, which is in inverse proportion to it, takes less time than panels save. */
const LEAST_MEAN = 300;
const MAX_BYTES = 2 ** 27;

const rowPanels = ({ m, k }: PanelProblem): TensorType => ({ dtype: 'f32', shape: [upTo(m, WIDE_ROWS), k] });
const columnPanels = ({ n, k }: PanelProblem): TensorType => ({
  dtype: 'f32',
  shape: [k, upTo(n, WIDE_COLUMNS)],
});

function panelsPay(p: PanelProblem): boolean {
  const { m, n, k } = p;
  const fits = [rowPanels(p), columnPanels(p)].every((t) => byteSize(t) <= MAX_BYTES);
  return n % 4 === 0 && k % 4 === 0 && (m * n) / (m + n) >= LEAST_MEAN && fits;
}

/** Packs inputs 0 and 1 of the op into scratch 0 and 1. */
function packDispatches(label: string, p: PanelProblem, transposeB: boolean): Dispatch[] {
  const { m, n, k } = p;
  const pack = (name: 'a' | 'b', code: string, lines: number): Dispatch => {
    const index = name === 'a' ? 0 : 1;
    return {
      label: `${label}.${name === 'a' ? 'rows' : 'columns'}`,
      code,
      params: { m, n4: n / 4, k, steps: PACK_STEPS },
      bindings: [
        read(name, index, 4),
        write('panels', { scratch: index, type: index === 0 ? rowPanels(p) : columnPanels(p) }, 4),
      ],
      workgroups: [Math.ceil(lines / 8), Math.ceil(k / PACK_STEPS), 1],
    };
  };
  return [pack('a', PACK_ROWS, m), pack('b', transposeB ? PACK_COLUMNS_TRANSPOSED : PACK_COLUMNS, n / 4)];
}

export const packedPanels: Variant<MatmulAttrs> = {
  name: 'packed_panels',
  supports: (site, caps) => {
    const problem = siteProblem(site);
    return hasSubgroupTile(caps) && problem.batch === 1 && panelsPay(problem);
  },
  dispatches: (site) => {
    const problem = siteProblem(site);
    const operands: Operands = {
      a: { scratch: 0, type: rowPanels(problem) },
      b: { scratch: 1, type: columnPanels(problem) },
      rest: resultBindings(site, 4),
    };
    return [
      ...packDispatches('matmul.packed_panels', problem, site.attrs.transposeB ?? false),
      panelProduct('matmul.packed_panels', problem, operands, epilogueCode(site.attrs, 4)),
    ];
  },
};
