/** Schedulers by the class that scheduler_config.json names. */
import { type Config, inertKeys } from '../checkpoint/config.ts';
import { assertNotQuantized, DIFFUSERS_KEYS } from '../checkpoint/library_keys.ts';
import { shown } from '../checkpoint/messages.ts';
import { ddim } from './ddim.ts';
import { ddpm } from './ddpm.ts';
import { eulerAncestralDiscrete, eulerDiscrete } from './euler_discrete.ts';
import { flowMatchEulerDiscrete } from './flow_match_euler_discrete.ts';
import { lcm } from './lcm.ts';
import type { Scheduler, Steps, StepsOptions, StepsRequest } from './linear_step.ts';
import { fromSteps, type OneStep } from './one_step.ts';
import { timestepSpacing } from './spacing.ts';

export { dynamicShift } from './flow_match_euler_discrete.ts';
export type { LinearStep, Steps, StepsOptions } from './linear_step.ts';
export { modelInput, type OneStep, predictX0 } from './one_step.ts';

const SCHEDULERS = {
  EulerDiscreteScheduler: eulerDiscrete,
  EulerAncestralDiscreteScheduler: eulerAncestralDiscrete,
  FlowMatchEulerDiscreteScheduler: flowMatchEulerDiscrete,
  LCMScheduler: lcm,
  DDPMScheduler: ddpm,
  DDIMScheduler: ddim,
} as const satisfies Record<string, Scheduler>;
export type SchedulerClass = keyof typeof SCHEDULERS;
const NAMES = Object.keys(SCHEDULERS) as SchedulerClass[];

/**
 * Keys of diffusers' schedulers that a reader may leave unasked: they belong to another scheduler, which diffusers leaves out too
 * (`from_config`), or to a setting that this file does not choose. Where one would change a result, the reader asks for it.
 */
const INERT = inertKeys(
  [...DIFFUSERS_KEYS],
  ['beta_start', 'beta_end', 'beta_schedule', 'trained_betas', 'rescale_betas_zero_snr', 'prediction_type'],
  ['clip_sample', 'clip_sample_range', 'thresholding', 'dynamic_thresholding_ratio', 'sample_max_value'],
  ['timestep_spacing', 'timestep_type', 'steps_offset', 'set_alpha_to_one', 'skip_prk_steps', 'variance_type'],
  ['interpolation_type', 'final_sigmas_type', 'sigma_min', 'sigma_max', 'sigma_data', 'use_flow_sigmas', 'flow_shift'],
  ['use_karras_sigmas', 'use_exponential_sigmas', 'use_beta_sigmas', 'use_lu_lambdas', 'original_inference_steps'],
  [
    'timestep_scaling',
    'shift',
    'use_dynamic_shifting',
    'base_shift',
    'max_shift',
    'base_image_seq_len',
    'max_image_seq_len',
  ],
  ['time_shift_type', 'shift_terminal', 'invert_sigmas', 'stochastic_sampling', 'algorithm_type', 'solver_order'],
  [
    'solver_type',
    'solver_p',
    'lower_order_final',
    'euler_at_final',
    'lambda_min_clipped',
    'disable_corrector',
    'predict_x0',
  ],
);

/** Returns the class of this name. @param named default: the class that the config names. @throws Error naming those that can be read */
export function schedulerClass(config: Config, named: unknown = config.value('_class_name')): SchedulerClass {
  const found = NAMES.find((name) => name === named);
  return (
    found ??
    config.fail('_class_name', `must be one of ${NAMES.map((name) => `"${name}"`).join(', ')}, but is ${shown(named)}`)
  );
}

/**
 * Returns the steps of a run, as diffusers' scheduler of that class takes them.
 * @param request the number of steps, or their timesteps in falling order
 * @param as the class to read the config as. Default: the class that the config names
 * @throws Error naming file and key for what is malformed or not supported yet
 */
export function stepsOf(
  config: Config,
  request: StepsRequest,
  options: StepsOptions = {},
  as: SchedulerClass = schedulerClass(config),
): Steps {
  assertNotQuantized(config);
  const made = SCHEDULERS[as](config, request, options);
  if (!made.steps.every((step) => Object.values(step).every(Number.isFinite)) || !Number.isFinite(made.initial)) {
    throw new Error(`${config.file}: its settings give steps that are not finite numbers`);
  }
  config.assertAllKnown(INERT);
  return made;
}

/** Default `timestep_spacing` of the schedulers whose single step starts at pure noise only with "trailing". */
const SPACED = {
  EulerDiscreteScheduler: 'linspace',
  EulerAncestralDiscreteScheduler: 'linspace',
  DDPMScheduler: 'leading',
  DDIMScheduler: 'leading',
} as const satisfies Partial<Record<SchedulerClass, string>>;

/**
 * Returns a run of one step, as three numbers.
 * @param timestep where the step starts, for generators that were distilled at another timestep than the last
 *   (HyperSDXL 800, PixArt-α DMD 400)
 * @param as the class to read the config as. Default: the class that the config names
 * @throws Error naming file and key for what is malformed or not supported yet, or for a step that starts without noise
 */
export function oneStepOf(config: Config, timestep?: number, as: SchedulerClass = schedulerClass(config)): OneStep {
  if (timestep === undefined && as in SPACED) {
    const spacing = timestepSpacing(config, SPACED[as as keyof typeof SPACED]);
    if (spacing !== 'trailing') {
      config.fail('timestep_spacing', `is "${spacing}", whose single step starts without noise; give a timestep`);
    }
  }
  // Flow matching starts at σ = 1, and every shift maps 1 to 1. This mu is the one that shifts nothing.
  const mu = config.value('time_shift_type') === 'linear' ? 1 : 0;
  return fromSteps(stepsOf(config, timestep === undefined ? 1 : [timestep], { mu }, as));
}
