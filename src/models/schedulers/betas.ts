/** The noise schedule that diffusers' variance-preserving schedulers share. */
import { at } from '../../tensor/types.ts';
import type { Config } from '../config.ts';

/**
 * Cumulative products of 1-β (`alphas_cumprod`) for every training step, in f64.
 * @throws Error naming file and key for what is malformed or not supported yet.
 */
export function alphasCumprod(config: Config): Float64Array {
  const steps = config.count('num_train_timesteps', 1000);
  const start = config.number('beta_start', 0.0001);
  const end = config.number('beta_end', 0.02);
  const schedule = config.oneOf('beta_schedule', ['linear', 'scaled_linear'], 'linear');
  for (const key of ['trained_betas', 'rescale_betas_zero_snr', 'thresholding']) {
    if (config.value(key)) {
      config.fail(key, 'is not supported yet; remove it or take another checkpoint');
    }
  }
  const between = (a: number, b: number, i: number): number => a + ((b - a) * i) / Math.max(1, steps - 1);
  const products = new Float64Array(steps);
  let product = 1;
  for (let i = 0; i < steps; i++) {
    product *= 1 - (schedule === 'linear' ? between(start, end, i) : between(Math.sqrt(start), Math.sqrt(end), i) ** 2);
    products[i] = product;
  }
  return products;
}

/**
 * The training step where a one-step schedule starts: `asked`, or the last one where the config's spacing leads there.
 * @throws Error when it is outside the schedule, or the spacing would start a single step at no noise.
 */
export function firstTimestep(config: Config, steps: number, asked: number | undefined): number {
  if (asked === undefined) {
    const spacing = config.string('timestep_spacing', 'leading');
    return spacing === 'trailing'
      ? steps - 1
      : config.fail('timestep_spacing', `is "${spacing}", whose single step starts without noise; give a timestep`);
  }
  if (!Number.isInteger(asked) || asked < 0 || asked >= steps) {
    throw new Error(`timestep ${asked} is outside the schedule of ${config.file}: it must be 0 to ${steps - 1}`);
  }
  return asked;
}

export type Prediction = 'epsilon' | 'v_prediction' | 'sample';

export function predictionType(config: Config): Prediction {
  return config.oneOf('prediction_type', ['epsilon', 'v_prediction', 'sample'], 'epsilon');
}

export function alphaAt(products: Float64Array, timestep: number): number {
  return at(products, timestep);
}
