/** The measurement of host time (commands/bench/host_cost.ts) runs every dispatch of a plan, without an error that Dawn would report. */
import { expect, it } from 'vitest';
import { hostCost } from '../../commands/bench/host_cost.ts';
import { planRun } from '../../src/cli/plan/planned_run.ts';

it('encodes and submits the whole iteration of a model', async () => {
  const small = { model: 'sd-turbo', size: [64, 64], rewards: { clip: 1 } } as const;
  const cost = await hostCost(small, 5);
  const { schedule } = await planRun(small);
  // The null adapter's limits are smaller than a GPU's, so a kernel here and there is another.
  expect(Math.abs(cost.dispatches / schedule.steps.step.length - 1)).toBeLessThan(0.1);
  expect(cost.pipelines).toBeGreaterThan(20);
  expect(cost.runs).toHaveLength(5);
  // Ten times what it is: npm run bench holds it to 10 µs, where nothing else runs beside it.
  expect(cost.cpuMicroseconds).toBeGreaterThan(0.1);
  expect(cost.cpuMicroseconds).toBeLessThan(100);
});
