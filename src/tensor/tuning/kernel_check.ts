/**
 * The check that kernels for matrix units pass on an adapter before a plan uses them: drivers have been seen that multiply
 * matrices wrongly, and a wrong gradient shows nowhere. The check itself is in src/kernels/check/self_check.ts.
 */

import { siteOf } from '../graph.ts';
import { usesMatrixUnits } from '../kernel.ts';
import type { Schedule } from '../schedule/schedule.ts';
import { STAGES } from '../types.ts';
import { tunable } from './choose.ts';

/** The name of variants on matrix units for f16 operands. */
export const MATRIX_VARIANT = 'subgroup_matrix';
/** All names of variants on matrix units: for f16 operands, and for f32 operands as sums of two f16 numbers. */
export const MATRIX_VARIANTS = [MATRIX_VARIANT, 'subgroup_matrix_split'] as const;

/** The name of the kernel of an op's variant, as checks are kept by it: the op's own for f16 operands. */
export const checkedName = (op: string, variant: string): string =>
  variant === MATRIX_VARIANT ? op : `${op}.${variant}`;

/** The result of a check of an op's variant for matrix units, as it is remembered. */
export interface Checked {
  /** Hash of the kernels that were checked: a changed kernel is checked again. */
  readonly hash: string;
  /** The reason why the variant is left out; null where it passed. */
  readonly problem: string | null;
}

export interface KernelCheck {
  /** The names of all kernels for matrix units (`checkedName`). */
  readonly kernels: readonly string[];
  /**
   * Checks these kernels, each once in the life of the device, which leaves wrong ones out.
   * @throws Error when the device is lost
   */
  ensure(kernels: readonly string[]): Promise<void>;
  /** The reason why a kernel is left out; null where it passed, undefined before its check. */
  problem(kernel: string): string | null | undefined;
}

/** The names of the kernels for matrix units in a schedule. */
export function matrixKernels({ steps }: Pick<Schedule, 'steps'>): string[] {
  const found = new Set<string>();
  for (const { node, dispatch } of STAGES.flatMap((stage) => steps[stage])) {
    if (node.op && usesMatrixUnits(dispatch)) {
      // An op can run the kernel of another, whose name the label has.
      const [op = '', variant = ''] = dispatch.label.split(/[.+]/);
      found.add(checkedName(tunable(node.op, siteOf(node)).op.name, variant));
      found.add(checkedName(op, variant));
    }
  }
  return [...found];
}
