/**
 * Euler's method for flow matching (FLUX): z_σ = (1-σ)·x0 + σ·noise, and the model predicts the velocity v = noise - x0.
 * Source: diffusers/schedulers/scheduling_flow_match_euler_discrete.py: FlowMatchEulerDiscreteScheduler.
 */
import { at } from '../../tensor/types.ts';
import type { Config, Range } from '../checkpoint/config.ts';
import { MOST_TIMESTEPS } from './betas.ts';
import type { Steps, StepsOptions, StepsRequest } from './linear_step.ts';
import { checkCount } from './spacing.ts';

/** The range of the factor that shifts the noise levels. */
const SHIFTS: Range = [1e-3, 1e3];

/** The range of mu, whose exponential is the factor. */
const MUS: Range = [-100, 100];

export function flowMatchEulerDiscrete(config: Config, request: StepsRequest, options: StepsOptions): Steps {
  const train = config.count('num_train_timesteps', 1000, MOST_TIMESTEPS);
  for (const key of ['invert_sigmas', 'use_karras_sigmas', 'use_exponential_sigmas', 'use_beta_sigmas']) {
    if (config.value(key)) {
      config.fail(key, 'is not supported yet');
    }
  }
  const stochastic = config.boolean('stochastic_sampling', false);
  const shift = shiftOf(config, options.mu);
  const sigmas = terminated(config, unshifted(config, request, options, train).map(shift));
  const steps = sigmas.map((sigma, i) => {
    const next = sigmas[i + 1] ?? 0;
    const input = { timestep: Math.fround(sigma * train), inputScale: 1 };
    return stochastic
      ? { ...input, sample: 1 - next, prediction: -(1 - next) * sigma, noise: next }
      : { ...input, sample: 1, prediction: next - sigma, noise: 0 };
  });
  return { initial: 1, steps };
}

/** Returns the noise levels before the shift, in falling order. */
function unshifted(config: Config, request: StepsRequest, { sigmas }: StepsOptions, train: number): readonly number[] {
  if (typeof request !== 'number') {
    if (request.length === 1 && request[0] === train) {
      return [1];
    }
    throw new Error(`timestep ${request.join(', ')}: a single step of ${config.file} starts at ${train}`);
  }
  checkCount(config, request, train);
  if (sigmas) {
    return sigmas.length === request
      ? sigmas
      : config.fail('sigmas', `must be ${request} numbers, one for each step, but are ${sigmas.length}`);
  }
  // diffusers takes the ends of the schedule after the static shift, and shifts the levels between them again.
  const ends = config.boolean('use_dynamic_shifting', false) ? (s: number) => s : shiftOf(config, undefined);
  const [first, last] = [ends(1), ends(1 / train)];
  return Array.from({ length: request }, (_, i) => first + ((last - first) * i) / Math.max(1, request - 1));
}

/** Returns the shift of the noise levels: Esser et al., "Scaling rectified flow transformers …", eq. 23. Larger pictures need more noise. */
function shiftOf(config: Config, mu: number | undefined): (sigma: number) => number {
  let factor = config.number('shift', 1, SHIFTS);
  if (config.boolean('use_dynamic_shifting', false)) {
    if (mu === undefined) {
      return config.fail('use_dynamic_shifting', 'is true, so that steps need mu (see dynamicShift)');
    }
    const linear = config.oneOf('time_shift_type', ['exponential', 'linear'], 'exponential') === 'linear';
    factor = linear ? mu : Math.exp(mu);
    if (!(factor > 0 && factor < Infinity)) {
      config.fail('time_shift_type', `with mu ${mu} gives the shift ${factor}, which must be positive and finite`);
    }
  }
  return (sigma) => (factor * sigma) / (1 + (factor - 1) * sigma);
}

/** Stretches the levels so that the last one is `shift_terminal`. */
function terminated(config: Config, sigmas: readonly number[]): readonly number[] {
  if (!config.value('shift_terminal')) {
    return sigmas;
  }
  const last = 1 - at(sigmas, sigmas.length - 1);
  if (last <= 0) {
    return config.fail('shift_terminal', 'needs at least 2 steps');
  }
  const scale = last / (1 - config.number('shift_terminal', undefined, [0, 0.999]));
  return sigmas.map((sigma) => 1 - (1 - sigma) / scale);
}

/** Returns mu of FLUX for `tokens` image tokens, interpolated between the two sizes that the config names. diffusers: `calculate_shift`. */
export function dynamicShift(config: Config, tokens: number): number {
  const [fewest, most] = [config.count('base_image_seq_len', 256), config.count('max_image_seq_len', 4096)];
  if (most === fewest) {
    config.fail('max_image_seq_len', `must differ from base_image_seq_len, but both are ${most}`);
  }
  const [low, high] = [config.number('base_shift', 0.5, MUS), config.number('max_shift', 1.15, MUS)];
  return low + ((high - low) * (tokens - fewest)) / (most - fewest);
}
