/** Finds the first value of a run that is no finite number, by repeating the run. */
import type { NotFinite } from '../../tensor/plan/not_finite.ts';
import type { Plan } from '../../tensor/plan/plan.ts';
import { at } from '../../tensor/types.ts';
import type { Search, StepRunner } from './loop.ts';
import { queueStep, readStates, setStates, writeNoise } from './loop_states.ts';
import { type StepGraph, TOTAL } from './step_graph.ts';

/** The first result that holds a value which is no finite number. */
export interface BadValue extends NotFinite {
  /** The iteration that computed it, counted from 0; null where the prompt's stage did. */
  readonly iteration: number | null;
}

/**
 * Repeats a run from its first noise until a loss or the gradient is not finite, and then that iteration dispatch by dispatch. The
 * kernels are those of the run itself, fused as they are.
 * @returns null where all losses are finite, or every result of the bad iteration is @throws GpuError
 */
export async function findBadValue(
  plan: StepRunner & Pick<Plan, 'firstNotFinite'>,
  step: StepGraph,
  { noise, iterations, isJudged, beginsAnew }: Search,
): Promise<BadValue | null> {
  const inPrompt = await plan.firstNotFinite('prompt');
  if (inPrompt) {
    return { ...inPrompt, iteration: null };
  }
  setStates(plan, step, undefined);
  const totals: { total: number }[] = [];
  for (let i = 0; i < iterations; i++) {
    const latents = await noise(i, async () => totals);
    if (latents === 'done') {
      return null;
    }
    if (latents) {
      writeNoise(plan, step, latents, beginsAnew?.(i));
    }
    const states = readStates(plan, step);
    const queued = await queueStep(plan, step, isJudged?.(i));
    const scalars = await queued.scalars;
    totals.push({ total: at(scalars, queued.names.indexOf(TOTAL)) });
    if (!scalars.every(Number.isFinite)) {
      for (const [name, { data }] of Object.entries(await states)) {
        plan.write(name, data);
      }
      const found = await plan.firstNotFinite('step');
      return found && { ...found, iteration: i };
    }
  }
  return null;
}
