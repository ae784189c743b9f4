/**
 * Euler's method (SD-Turbo, SDXL) and its ancestral form (SDXL-Turbo). Karras et al., "Elucidating the design space of
 * diffusion-based generative models": x = x0 + σ·ε, and a step follows the line to x0 from σ to the next σ. The ancestral
 * form goes below the next σ and adds fresh noise (Crowson, k-diffusion).
 * Source: diffusers/schedulers/scheduling_euler_discrete.py: EulerDiscreteScheduler;
 * diffusers/schedulers/scheduling_euler_ancestral_discrete.py: EulerAncestralDiscreteScheduler.
 */
import { at } from '../../tensor/types.ts';
import type { Config } from '../checkpoint/config.ts';
import { alphasCumprod, type Prediction, predictionType } from './betas.ts';
import { combine, type Linear, type LinearStep, SAMPLE, type Steps, type StepsRequest } from './linear_step.ts';
import { spacedTimesteps, timestepSpacing } from './spacing.ts';

export function eulerDiscrete(config: Config, request: StepsRequest): Steps {
  for (const key of ['use_karras_sigmas', 'use_exponential_sigmas', 'use_beta_sigmas']) {
    if (config.value(key)) {
      config.fail(key, 'is true, which is not supported yet; set it to false');
    }
  }
  config.oneOf('interpolation_type', ['linear'], 'linear');
  config.oneOf('timestep_type', ['discrete'], 'discrete');
  const toZero = config.oneOf('final_sigmas_type', ['zero', 'sigma_min'], 'zero') === 'zero';
  const kind = predictionType(config);
  return euler(config, request, toZero, (sigma, next) => ({ ...line(kind, sigma, next), noise: 0 }));
}

export function eulerAncestralDiscrete(config: Config, request: StepsRequest): Steps {
  const kind = predictionType(config);
  if (kind === 'sample') {
    config.fail('prediction_type', 'is "sample", which EulerAncestralDiscreteScheduler does not have');
  }
  return euler(config, request, true, (sigma, next) => ({
    ...line(kind, sigma, (next * next) / sigma),
    noise: next * Math.sqrt(1 - (next / sigma) ** 2),
  }));
}

function euler(
  config: Config,
  request: StepsRequest,
  toZero: boolean,
  step: (sigma: number, next: number) => Omit<LinearStep, 'timestep' | 'inputScale'>,
): Steps {
  const all = Array.from(alphasCumprod(config), (alpha) => Math.sqrt((1 - alpha) / alpha));
  const timesteps = spacedTimesteps(config, request, all.length, 'linspace', false);
  const sigmas = timesteps.map((t) => interpolated(all, t));
  const last = toZero ? 0 : at(all, 0);
  const steps = sigmas.map((sigma, i) => ({
    timestep: at(timesteps, i),
    inputScale: 1 / Math.sqrt(sigma * sigma + 1),
    ...step(sigma, sigmas[i + 1] ?? last),
  }));
  const largest = Math.max(...sigmas, last);
  const leading = timestepSpacing(config, 'linspace') === 'leading';
  return { initial: leading ? Math.sqrt(largest * largest + 1) : largest, steps };
}

/** Returns the step from σ to `next` along the line through x and x0. */
function line(kind: Prediction, sigma: number, next: number): Linear {
  const ratio = next / sigma;
  const x0 = cleanSample(kind, sigma);
  // With ε-prediction the factor of the latents is exactly 1; ratio + (1 - ratio) may differ by a rounding.
  const { sample, prediction } = combine(ratio, SAMPLE, 1 - ratio, x0);
  return kind === 'epsilon' ? { sample: 1, prediction } : { sample, prediction };
}

function cleanSample(kind: Prediction, sigma: number): Linear {
  const norm = Math.sqrt(sigma * sigma + 1);
  switch (kind) {
    case 'epsilon':
      return { sample: 1, prediction: -sigma };
    case 'v_prediction':
      return { sample: 1 / (norm * norm), prediction: -sigma / norm };
    case 'sample':
      return { sample: 0, prediction: 1 };
  }
}

/** Interpolates linearly between the values at a fractional position. Beyond the ends the result is the end's value. */
function interpolated(values: readonly number[], position: number): number {
  const t = Math.min(Math.max(position, 0), values.length - 1);
  const low = Math.floor(t);
  const a = at(values, low);
  return t === low ? a : a + (at(values, low + 1) - a) * (t - low);
}
