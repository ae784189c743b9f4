/** Ops that the planner makes. They are in no trace and in no registry. */
import type { Attrs, Op, OpDefinition } from '../op.ts';

/** Returns an op that only a schedule contains. */
export function generatedOp(definition: Omit<OpDefinition<Attrs>, 'cases'>): Op {
  return { ...definition, cases: [], call: refuse, one: refuse };
}

function refuse(): never {
  throw new Error('an op that the planner made cannot be traced');
}
