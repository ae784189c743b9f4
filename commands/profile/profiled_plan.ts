/** Plans a model on an adapter and makes it ready to be profiled. Weights are made on the GPU: the time of a kernel does not depend on them. */
import { planningFromEnvironment } from '../../src/cli/debug_variable.ts';
import type { PlannedModel } from '../../src/cli/plan/planned_model.ts';
import { runLoop } from '../../src/reno/loop/loop.ts';
import { searchOf } from '../../src/reno/search/search.ts';
import { assertStores } from '../../src/reno/session.ts';
import type { RenoSettings } from '../../src/reno/settings/settings.ts';
import { traceRun } from '../../src/reno/trace.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { compile } from '../../src/tensor/plan/compile.ts';
import type { Plan } from '../../src/tensor/plan/plan.ts';
import { readPrompt, seedWeights } from '../selftest/seeded_on_gpu.ts';

const PROMPT = 'a photo of a red cat and a blue car';

/** A plan whose steps can run, and its name for people. */
export interface ProfiledPlan {
  readonly plan: Plan;
  readonly subject: string;
}

/** Plans, fills and runs one iteration. @throws Error, one sentence, where the adapter is too small or the settings are not possible */
export async function profiledPlan(device: Device, model: PlannedModel, settings: RenoSettings): Promise<ProfiledPlan> {
  if (settings.weightBits !== undefined) {
    throw new Error(
      "this model's reno.json asks for 8-bit weights, which are made from files alone, and a profile makes its weights on the GPU",
    );
  }
  assertStores(settings.dtype, device.caps);
  const run = await traceRun(model.files, settings);
  const plan = await compile(device, { ...run.spec, ...planningFromEnvironment() });
  try {
    await seedWeights(device, plan, run.weights);
    await plan.run('load');
    await readPrompt(plan, run, PROMPT);
    const { noise } = await searchOf({ runner: plan, step: run.step, settings }, { prompt: PROMPT, seed: 0 });
    await runLoop(plan, run.step, { iterations: 1, noise });
    await plan.finished();
  } catch (error) {
    plan.destroy();
    throw error;
  }
  const [, height, width] = run.step.image.shape;
  return { plan, subject: `${model.name}, ${width}x${height}, ${settings.dtype}` };
}
