/**
 * Products on CPU drivers of operands in panels: a workgroup reads each panel in the order in which it lies. Rows that lie a power
 * of two apart would fall into the same few cache lines, and each line would bring in more than is read of it.
 * Panels of a: [m / 32][k / 4][32][4]; of b: [n / 32][k][32]; k and n come in fours.
 */
import type { Binding, BufferRef, Dispatch } from '../../tensor/dispatch.ts';
import { read } from './bindings.ts';
import { PUT_PRODUCT, WIDE_COLUMNS, WIDE_ROWS, WIDE_TILE } from './wide_tile_wgsl.ts';

export interface PanelProblem {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** The next multiple of `step`. */
export const upTo = (n: number, step: number): number => Math.ceil(n / step) * step;

/** Computes y [batch][m][n] from panels of a and b, whose number is the same for each product of the batch. */
const PANEL_PRODUCT = /* wgsl */ `${WIDE_TILE}${PUT_PRODUCT}
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  place = vec3u(group.x * 8u + lane, group.y * 32u, group.z);
  let k4 = params.k / 4u;
  var a = (group.z * groups.y + group.y) * k4 * 32u + lane;
  var b = (group.z * groups.x + group.x) * k4 * 32u + lane;
  var sum = Wide();
  for (var k = 0u; k < k4; k++) {
    let rows = Lanes(load_a(a), load_a(a + 8u), load_a(a + 16u), load_a(a + 24u));
    let steps = Steps(load_b(b), load_b(b + 8u), load_b(b + 16u), load_b(b + 24u));
    sum = wide_step(sum, rows, steps);
    a += 32u;
    b += 32u;
  }
  put_wide(sum, params.m - place.y);
}
`;

export interface Operands {
  readonly a: BufferRef;
  readonly b: BufferRef;
  /** Bindings of y and of what its epilogue reads. */
  readonly rest: readonly Binding[];
}

/** The dispatch of `batch` products of operands in panels. */
export function panelProduct(
  label: string,
  { m, n, k, batch }: PanelProblem & { readonly batch: number },
  operands: Operands,
  epilogue: string,
): Dispatch {
  return {
    label,
    code: PANEL_PRODUCT + epilogue,
    params: { m, n4: n / 4, k, tile: WIDE_ROWS },
    bindings: [read('a', operands.a, 4), read('b', operands.b, 4), ...operands.rest],
    workgroups: [Math.ceil(n / WIDE_COLUMNS), Math.ceil(m / WIDE_ROWS), batch],
  };
}
