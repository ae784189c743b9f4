/**
 * DDPM (PixArt-α DMD): Ho et al., "Denoising diffusion probabilistic models", eq. 7.
 * Source: diffusers/schedulers/scheduling_ddpm.py: DDPMScheduler.
 */
import type { Config } from '../checkpoint/config.ts';
import { alphaAt, alphasCumprod, assertNoClipping, cleanSample, predictionType } from './betas.ts';
import { combine, SAMPLE, type Steps, type StepsRequest } from './linear_step.ts';
import { spacedTimesteps } from './spacing.ts';

/** diffusers' lower bound of the variance, which keeps its logarithm finite. */
const LEAST_VARIANCE = 1e-20;

export function ddpm(config: Config, request: StepsRequest): Steps {
  assertNoClipping(config, true);
  const large =
    config.oneOf('variance_type', ['fixed_small', 'fixed_small_log', 'fixed_large'], 'fixed_small') === 'fixed_large';
  if (large && typeof request !== 'number' && request.length === 1) {
    config.fail('variance_type', 'is "fixed_large", which adds noise after a single step; it must be "fixed_small"');
  }
  const products = alphasCumprod(config);
  const kind = predictionType(config);
  const timesteps = spacedTimesteps(config, request, products.length, 'leading', true);
  const steps = timesteps.map((timestep, i) => {
    const alpha = alphaAt(config, products, timestep);
    const next = timesteps[i + 1];
    const alphaNext = next === undefined ? 1 : alphaAt(config, products, next);
    const beta = 1 - alpha / alphaNext;
    const mean = combine(
      (Math.sqrt(alphaNext) * beta) / (1 - alpha),
      cleanSample(kind, alpha),
      (Math.sqrt(alpha / alphaNext) * (1 - alphaNext)) / (1 - alpha),
      SAMPLE,
    );
    const variance = large ? beta : Math.max(((1 - alphaNext) / (1 - alpha)) * beta, LEAST_VARIANCE);
    return { timestep, inputScale: 1, ...mean, noise: timestep > 0 ? Math.sqrt(variance) : 0 };
  });
  return { initial: 1, steps };
}
