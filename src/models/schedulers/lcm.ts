/** LCMScheduler (HyperSDXL) and DDPMScheduler (PixArt-α DMD), one step: x0 from z = √ᾱ·x0 + √(1-ᾱ)·ε. */
import type { Config } from '../config.ts';
import { alphaAt, alphasCumprod, firstTimestep, predictionType } from './betas.ts';
import type { OneStep } from './one_step.ts';

export function ddpm(config: Config, timestep?: number): OneStep {
  if (config.boolean('clip_sample', true)) {
    config.fail('clip_sample', 'is true (the default), which is for pixels; latents need false');
  }
  const products = alphasCumprod(config);
  return fromAlpha(config, products, firstTimestep(config, products.length, timestep));
}

/** As `ddpm`, and then the consistency model's boundary condition: c_skip·z + c_out·x0. */
export function lcm(config: Config, timestep?: number): OneStep {
  if (config.boolean('clip_sample', false)) {
    config.fail('clip_sample', 'is true, which is for pixels; latents need false');
  }
  const products = alphasCumprod(config);
  // Whatever the spacing, diffusers' LCM takes its steps from the noisy end.
  const step = fromAlpha(config, products, firstTimestep(config, products.length, timestep ?? products.length - 1));
  const sigmaData = 0.5;
  const scaled = step.timestep * config.number('timestep_scaling', 10);
  const skip = sigmaData ** 2 / (scaled ** 2 + sigmaData ** 2);
  const out = scaled / Math.sqrt(scaled ** 2 + sigmaData ** 2);
  return { ...step, x0: { z: out * step.x0.z + skip, prediction: out * step.x0.prediction } };
}

function fromAlpha(config: Config, products: Float64Array, timestep: number): OneStep {
  const alpha = alphaAt(products, timestep);
  const signal = Math.sqrt(alpha);
  const noise = Math.sqrt(1 - alpha);
  switch (predictionType(config)) {
    case 'epsilon':
      return { timestep, inputScale: 1, x0: { z: 1 / signal, prediction: -noise / signal } };
    case 'v_prediction':
      return { timestep, inputScale: 1, x0: { z: signal, prediction: -noise } };
    case 'sample':
      return { timestep, inputScale: 1, x0: { z: 0, prediction: 1 } };
  }
}
