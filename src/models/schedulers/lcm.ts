/**
 * Latent consistency models (HyperSDXL): a step goes to x0 and, unless it is the last, back up with fresh noise. Luo et al.,
 * "Latent consistency models". Source: diffusers/schedulers/scheduling_lcm.py: LCMScheduler.
 */
import { at } from '../../tensor/types.ts';
import type { Config } from '../checkpoint/config.ts';
import { alphaAt, alphasCumprod, assertNoClipping, cleanSample, MOST_TIMESTEPS, predictionType } from './betas.ts';
import { combine, SAMPLE, type Steps, type StepsRequest } from './linear_step.ts';
import { checkCount, checkedTimesteps } from './spacing.ts';

const BETAS = { start: 0.00085, end: 0.012, schedule: 'scaled_linear' } as const;

export function lcm(config: Config, request: StepsRequest): Steps {
  assertNoClipping(config, false);
  const products = alphasCumprod(config, BETAS);
  const kind = predictionType(config);
  const timesteps = lcmTimesteps(config, request, products.length);
  const steps = timesteps.map((timestep, i) => {
    const x0 = cleanSample(kind, alphaAt(config, products, timestep));
    const { skip, out } = boundary(timestep, config.number('timestep_scaling', 10, [1e-6, 1e6]));
    const denoised = combine(skip, SAMPLE, out, x0);
    const next = timesteps[i + 1];
    const alpha = next === undefined ? 1 : alphaAt(config, products, next);
    const signal = Math.sqrt(alpha);
    return {
      timestep,
      inputScale: 1,
      sample: signal * denoised.sample,
      prediction: signal * denoised.prediction,
      noise: Math.sqrt(1 - alpha),
    };
  });
  return { initial: 1, steps };
}

/** Returns the factors of the consistency model's boundary condition: at timestep 0 the model returns its input. */
function boundary(timestep: number, scaling: number): { skip: number; out: number } {
  const sigmaData = 0.5;
  const scaled = timestep * scaling;
  const norm = scaled ** 2 + sigmaData ** 2;
  return { skip: sigmaData ** 2 / norm, out: scaled / Math.sqrt(norm) };
}

/** Returns timesteps evenly spaced among those that the model was distilled at, from the noisy end, whatever `timestep_spacing` says. */
function lcmTimesteps(config: Config, request: StepsRequest, train: number): readonly number[] {
  if (typeof request !== 'number') {
    return checkedTimesteps(config, request, train);
  }
  const original = config.count('original_inference_steps', 50, MOST_TIMESTEPS);
  if (original > train) {
    config.fail('original_inference_steps', `is ${original}, more than num_train_timesteps, ${train}`);
  }
  checkCount(config, request, original);
  const ratio = Math.floor(train / original);
  const distilled = Array.from({ length: original }, (_, i) => (original - i) * ratio - 1);
  return Array.from({ length: request }, (_, i) => at(distilled, Math.floor((i * original) / request)));
}
