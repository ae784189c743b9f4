/** Finds the module in which f16 overflows, by repeating a run. */
import { type Node, outputKey, readersOf } from '../../tensor/graph.ts';
import { describeNotFinite, type NotFinite } from '../../tensor/plan/not_finite.ts';
import type { Plan } from '../../tensor/plan/plan.ts';
import { isWithin } from '../../tensor/raised_modules.ts';
import type { Schedule } from '../../tensor/schedule/schedule.ts';
import { findBadValue } from './bad_value.ts';
import type { Search, StepRunner } from './loop.ts';
import type { StepGraph } from './step_graph.ts';

/** The place where a value passed f16's largest number. */
export interface Overflow {
  /** Its op and module path, such as `conv2d in backward generator.unet.mid_block`. */
  readonly where: string;
  /** The smallest module that holds it and all that store the value again as f16. */
  readonly module: string;
}

/**
 * Repeats a run until a loss is not finite, and finds the first bad value.
 * @returns null where no loss is bad, or the first bad value is not stored as f16: f32 activations would not mend it
 * @throws GpuError
 */
export async function findOverflow(
  plan: StepRunner & Pick<Plan, 'firstNotFinite' | 'schedule'>,
  step: StepGraph,
  options: Search,
): Promise<Overflow | null> {
  const found = await findBadValue(plan, step, options);
  return found && overflowAt(plan.schedule, found);
}

/** Returns null where the value is not stored as f16, or no module holds all that has to be raised. */
function overflowAt(schedule: Schedule, found: NotFinite): Overflow | null {
  if (found.type.dtype !== 'f16') {
    return null;
  }
  const { node, output } = found;
  const nodes = [...new Set([...schedule.steps.prompt, ...schedule.steps.step].map((step) => step.node))];
  const isHalf = ({ outputs }: Node): boolean => outputs.some(({ dtype }) => dtype === 'f16');
  const readers = (readersOf(nodes).get(outputKey(node, output)) ?? []).filter(isHalf);
  // A cast stores a value of an f32 module as f16, so the module must grow.
  const givers = node.op?.name === 'cast' ? node.inputs.map((t) => t.node) : [];
  const module = commonModule([node, ...readers, ...givers].map(({ path }) => path));
  return module === '' ? null : { where: describeNotFinite(found), module };
}

/** Returns the innermost module that holds all `paths`; empty where only the whole graph does. */
function commonModule(paths: readonly string[]): string {
  const [first = '', ...rest] = paths;
  let parts = first.split('.');
  while (parts.length > 0 && !rest.every((path) => isWithin(path, parts.join('.')))) {
    parts = parts.slice(0, -1);
  }
  return parts.join('.');
}

/** Returns the modules with one more, in the order of the alphabet, without those that lie in others. */
export function withModule(modules: readonly string[], module: string): readonly string[] {
  const others = modules.filter((name) => !isWithin(name, module));
  return [...new Set([...others, module])].sort();
}
