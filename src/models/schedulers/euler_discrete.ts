/**
 * EulerDiscreteScheduler and EulerAncestralDiscreteScheduler, one step (SD-Turbo, SDXL-Turbo). To σ = 0 both give
 * x0 itself: the ancestral one adds no noise at its last step.
 */
import type { Config } from '../config.ts';
import { alphaAt, alphasCumprod, firstTimestep, predictionType } from './betas.ts';
import type { OneStep } from './one_step.ts';

export function eulerDiscrete(config: Config, timestep?: number): OneStep {
  const products = alphasCumprod(config);
  const t = firstTimestep(config, products.length, timestep);
  const alpha = alphaAt(products, t);
  const sigma = Math.sqrt((1 - alpha) / alpha);
  // init_noise_sigma: with `leading` spacing diffusers starts from √(σ²+1), otherwise from σ.
  const norm = Math.sqrt(sigma * sigma + 1);
  const initial = config.string('timestep_spacing', 'linspace') === 'leading' ? norm : sigma;
  const inputScale = initial / norm;
  switch (predictionType(config)) {
    case 'epsilon':
      return { timestep: t, inputScale, x0: { z: initial, prediction: -sigma } };
    case 'v_prediction':
      return { timestep: t, inputScale, x0: { z: initial / (norm * norm), prediction: -sigma / norm } };
    case 'sample':
      return { timestep: t, inputScale, x0: { z: 0, prediction: 1 } };
  }
}
