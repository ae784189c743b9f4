/**
 * DDIM without added noise (η = 0): Song et al., "Denoising diffusion implicit models", eq. 12.
 * Source: diffusers/schedulers/scheduling_ddim.py: DDIMScheduler.
 */
import type { Config } from '../checkpoint/config.ts';
import { alphaAt, alphasCumprod, assertNoClipping, cleanSample, predictedNoise, predictionType } from './betas.ts';
import { combine, type Steps, type StepsRequest } from './linear_step.ts';
import { spacedTimesteps } from './spacing.ts';

export function ddim(config: Config, request: StepsRequest): Steps {
  assertNoClipping(config, true);
  const products = alphasCumprod(config);
  const kind = predictionType(config);
  const timesteps = spacedTimesteps(config, request, products.length, 'leading', true);
  // diffusers always goes down by this number of training steps, even where the spacing's next timestep differs.
  const down = Math.floor(products.length / timesteps.length);
  const final = config.boolean('set_alpha_to_one', true) ? 1 : alphaAt(config, products, 0);
  const steps = timesteps.map((timestep) => {
    const alpha = alphaAt(config, products, timestep);
    const next = timestep - down;
    const alphaNext = next >= 0 ? alphaAt(config, products, next) : final;
    const moved = combine(
      Math.sqrt(alphaNext),
      cleanSample(kind, alpha),
      Math.sqrt(1 - alphaNext),
      predictedNoise(kind, alpha),
    );
    return { timestep, inputScale: 1, ...moved, noise: 0 };
  });
  return { initial: 1, steps };
}
