/** The dispatches of a product in panels (panels_wgsl.ts): both operands packed into scratch, then multiplied. */

import type { Binding, BufferRef, Dispatch } from '../../tensor/dispatch.ts';
import type { TensorType } from '../../tensor/types.ts';
import { byteSize } from '../../tensor/types.ts';
import { read, write } from './bindings.ts';
import { PACK_COLUMNS, PACK_COLUMNS_TRANSPOSED, PACK_ROWS, PACK_STEPS, PANEL_PRODUCT } from './panels_wgsl.ts';
import { WIDE_COLUMNS, WIDE_ROWS } from './wide_tile_wgsl.ts';

export interface PanelProblem {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** m n / (m + n), to which packing is in inverse proportion: from here on it was less than what panels saved. */
const LEAST_MEAN = 300;
const MAX_BYTES = 2 ** 27;

/** The next multiple of `step`. */
export const upTo = (n: number, step: number): number => Math.ceil(n / step) * step;
export const rowPanels = ({ m, k }: PanelProblem): TensorType => ({ dtype: 'f32', shape: [upTo(m, WIDE_ROWS), k] });
export const columnPanels = ({ n, k }: PanelProblem): TensorType => ({
  dtype: 'f32',
  shape: [k, upTo(n, WIDE_COLUMNS)],
});

export function panelsPay(p: PanelProblem): boolean {
  const { m, n, k } = p;
  const fits = [rowPanels(p), columnPanels(p)].every((t) => byteSize(t) <= MAX_BYTES);
  return n % 4 === 0 && k % 4 === 0 && (m * n) / (m + n) >= LEAST_MEAN && fits;
}

/** Inputs 0 and 1 of the op into scratch 0 and 1. */
export function packDispatches(label: string, p: PanelProblem, transposeB: boolean): Dispatch[] {
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

export interface Operands {
  readonly a: BufferRef;
  readonly b: BufferRef;
  /** What else the code reads and writes. */
  readonly rest: readonly Binding[];
}

/** `batch` products of operands in panels. */
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
