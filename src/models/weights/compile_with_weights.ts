/** Compiles a graph together with the checkpoints that it reads. */
import type { Device } from '../../tensor/device/device.ts';
import { withNeed } from '../../tensor/device/gpu_error.ts';
import { compile } from '../../tensor/plan/compile.ts';
import type { Plan } from '../../tensor/plan/plan.ts';
import type { PlanSpec } from '../../tensor/schedule/plan_spec.ts';
import type { WeightStore } from './weight_store.ts';

/**
 * Compiles `spec`, uploads the weights of `stores` and runs the load stage; when this returns, the GPU has finished it.
 * @throws Error, one sentence: a file that cannot be read, or a GPU that is too small; nothing stays allocated
 */
export async function compileWithWeights(
  device: Device,
  spec: PlanSpec,
  stores: readonly WeightStore[],
): Promise<Plan> {
  const plan = await compile(device, spec);
  try {
    for (const store of stores) {
      await store.upload(plan);
    }
    await plan.run('load');
    await plan.finished();
    return plan;
  } catch (error) {
    plan.destroy();
    // The queue holds a copy of every byte that was written, until a submission takes them.
    device.gpu.queue.submit([]);
    await device.gpu.queue.onSubmittedWorkDone().catch(() => {});
    throw withNeed(error, plan.summary.memory.peak);
  }
}
