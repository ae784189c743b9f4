/**
 * The check that kernels for matrix units pass on an adapter before a plan uses them: drivers have been seen that multiply
 * matrices wrongly, and a wrong gradient shows nowhere. The check itself is in src/kernels/check/self_check.ts.
 */

import { tunable } from './choose.ts';
import { siteOf } from './graph.ts';
import { usesMatrixUnits } from './kernel.ts';
import type { Schedule } from './schedule/schedule.ts';
import { STAGES } from './types.ts';

/** The name of variants on matrix units. */
export const MATRIX_VARIANT = 'subgroup_matrix';

/** The result of a check of one op's variant for matrix units, as it is remembered. */
export interface Checked {
  /** Hash of the kernels that were checked: a changed kernel is checked again. */
  readonly hash: string;
  /** The reason why the variant is left out; null where it passed. */
  readonly problem: string | null;
}

export interface KernelCheck {
  /** The names of all ops with a variant for matrix units. */
  readonly ops: readonly string[];
  /**
   * Checks the variants of these ops, each once in the life of the device, which leaves wrong ones out.
   * @throws Error when the device is lost
   */
  ensure(ops: readonly string[]): Promise<void>;
  /** The reason why an op's variant is left out; null where it passed, undefined before its check. */
  problem(op: string): string | null | undefined;
}

/** The names of the ops whose kernels use matrix units in a schedule. */
export function matrixOps({ steps }: Pick<Schedule, 'steps'>): string[] {
  const found = new Set<string>();
  for (const { node, dispatch } of STAGES.flatMap((stage) => steps[stage])) {
    if (node.op && usesMatrixUnits(dispatch)) {
      // An op can run the kernel of another, whose name the label has.
      found.add(tunable(node.op, siteOf(node)).op.name);
      found.add(dispatch.label.split('.')[0] ?? '');
    }
  }
  return [...found];
}
