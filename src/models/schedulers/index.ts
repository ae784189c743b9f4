/** Schedulers by the class that scheduler_config.json names. */
import type { Config } from '../checkpoint/config.ts';
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

function schedulerClass(config: Config): SchedulerClass {
  return config.oneOf('_class_name', NAMES);
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
  const made = SCHEDULERS[as](config, request, options);
  if (!made.steps.every((step) => Object.values(step).every(Number.isFinite)) || !Number.isFinite(made.initial)) {
    throw new Error(`${config.file}: its settings give steps that are not finite numbers`);
  }
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
