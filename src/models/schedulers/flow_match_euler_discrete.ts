/** FlowMatchEulerDiscreteScheduler, one step: z_σ = (1-σ)·x0 + σ·noise, the model predicts v = noise - x0. */
import type { Config } from '../config.ts';
import type { OneStep } from './one_step.ts';

/** One step starts at σ = 1, which every time shift leaves at 1, so x0 = z - v. */
export function flowMatchEulerDiscrete(config: Config, timestep?: number): OneStep {
  const steps = config.count('num_train_timesteps', 1000);
  for (const key of ['stochastic_sampling', 'invert_sigmas', 'shift_terminal']) {
    if (config.value(key)) {
      config.fail(key, 'is not supported yet');
    }
  }
  if (timestep !== undefined && timestep !== steps) {
    throw new Error(`timestep ${timestep}: a single step of ${config.file} starts at ${steps}`);
  }
  return { timestep: steps, inputScale: 1, x0: { z: 1, prediction: -1 } };
}
