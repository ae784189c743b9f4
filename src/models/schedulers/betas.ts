/**
 * The noise schedule of diffusers' variance-preserving schedulers: z_t = √ᾱ·x0 + √(1-ᾱ)·ε.
 * Source: `betas` and `alphas_cumprod` in diffusers/schedulers/scheduling_ddpm.py: DDPMScheduler.
 */
import { at } from '../../tensor/types.ts';
import type { Config, Range } from '../checkpoint/config.ts';
import { combine, type Linear, SAMPLE } from './linear_step.ts';

const f32 = Math.fround;
const SCHEDULES = ['linear', 'scaled_linear', 'squaredcos_cap_v2', 'sigmoid'] as const;

/** The most training steps of a schedule: public ones have 1000, and each becomes a number of the table. */
export const MOST_TIMESTEPS = 100_000;

/** The range of β, a variance. */
const BETAS: Range = [0, 1];

interface BetaDefaults {
  readonly start: number;
  readonly end: number;
  readonly schedule: (typeof SCHEDULES)[number];
}

const DEFAULTS: BetaDefaults = { start: 0.0001, end: 0.02, schedule: 'linear' };

/**
 * Returns the cumulative products of 1-β (`alphas_cumprod`) for every training step, rounded to f32 where diffusers rounds.
 * Without the rounding σ at timestep 0 has a relative error of 8e-5, because 1-ᾱ is small there.
 * @throws Error naming file and key for what is malformed or not supported yet
 */
export function alphasCumprod(config: Config, defaults: BetaDefaults = DEFAULTS): Float64Array {
  const steps = config.count('num_train_timesteps', 1000, MOST_TIMESTEPS);
  const start = config.number('beta_start', defaults.start, BETAS);
  const end = config.number('beta_end', defaults.end, BETAS);
  const schedule = config.oneOf('beta_schedule', SCHEDULES, defaults.schedule);
  for (const key of ['trained_betas', 'rescale_betas_zero_snr', 'thresholding']) {
    if (config.value(key)) {
      config.fail(key, 'is not supported yet; remove it or take another checkpoint');
    }
  }
  // As torch.linspace in f32: counted from the nearer end, with a fused multiply-add.
  const between = (from: number, to: number, i: number): number => {
    const [a, b] = [f32(from), f32(to)];
    const step = f32(f32(b - a) / Math.max(1, steps - 1));
    return f32(i < steps / 2 ? a + step * i : b - step * (steps - 1 - i));
  };
  // Nichol & Dhariwal, "Improved denoising diffusion probabilistic models", eq. 17.
  const alphaBar = (t: number): number => Math.cos(((t + 0.008) / 1.008) * (Math.PI / 2)) ** 2;
  const beta = {
    linear: (i: number): number => between(start, end, i),
    scaled_linear: (i: number): number => between(Math.sqrt(start), Math.sqrt(end), i) ** 2,
    squaredcos_cap_v2: (i: number): number => Math.min(1 - alphaBar((i + 1) / steps) / alphaBar(i / steps), 0.999),
    sigmoid: (i: number): number => (end - start) / (1 + Math.exp(-between(-6, 6, i))) + start,
  }[schedule];
  const products = new Float64Array(steps);
  let product = 1;
  for (let i = 0; i < steps; i++) {
    product *= f32(1 - f32(beta(i)));
    products[i] = f32(product);
  }
  return products;
}

export type Prediction = 'epsilon' | 'v_prediction' | 'sample';

export function predictionType(config: Config): Prediction {
  return config.oneOf('prediction_type', ['epsilon', 'v_prediction', 'sample'], 'epsilon');
}

/** Returns ᾱ at a training step. @throws Error when the step is outside the schedule */
export function alphaAt(config: Config, products: Float64Array, timestep: number): number {
  if (!Number.isInteger(timestep) || timestep < 0 || timestep >= products.length) {
    throw new Error(
      `timestep ${timestep} is outside the schedule of ${config.file}: it must be 0 to ${products.length - 1}`,
    );
  }
  return at(products, timestep);
}

/** Returns x0 as a linear function of z_t and a prediction of the given kind. */
export function cleanSample(kind: Prediction, alpha: number): Linear {
  const signal = Math.sqrt(alpha);
  const noise = Math.sqrt(1 - alpha);
  switch (kind) {
    case 'epsilon':
      return { sample: 1 / signal, prediction: -noise / signal };
    case 'v_prediction':
      return { sample: signal, prediction: -noise };
    case 'sample':
      return { sample: 0, prediction: 1 };
  }
}

/** Returns ε as a linear function of z_t and a prediction of the given kind. */
export function predictedNoise(kind: Prediction, alpha: number): Linear {
  const noise = Math.sqrt(1 - alpha);
  return kind === 'epsilon'
    ? { sample: 0, prediction: 1 }
    : combine(1 / noise, SAMPLE, -Math.sqrt(alpha) / noise, cleanSample(kind, alpha));
}

/** Refuses clipping to ±1: it is not linear, and meant for pixels. @throws Error when the config asks for it */
export function assertNoClipping(config: Config, absent: boolean): void {
  if (config.boolean('clip_sample', absent)) {
    const what = config.has('clip_sample') ? 'is true' : 'is true (the default)';
    config.fail('clip_sample', `${what}, which is for pixels; latents need false`);
  }
}
