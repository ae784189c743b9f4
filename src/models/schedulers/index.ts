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

const BY_CLASS = {
  EulerDiscreteScheduler: eulerDiscrete,
  EulerAncestralDiscreteScheduler: eulerAncestralDiscrete,
  FlowMatchEulerDiscreteScheduler: flowMatchEulerDiscrete,
  LCMScheduler: lcm,
  DDPMScheduler: ddpm,
  DDIMScheduler: ddim,
} as const satisfies Record<string, Scheduler>;
export type SchedulerClass = keyof typeof BY_CLASS;
const CLASSES = Object.keys(BY_CLASS) as SchedulerClass[];

export function schedulerClass(config: Config): SchedulerClass {
  return config.oneOf('_class_name', CLASSES);
}

/**
 * The steps of a run, as diffusers' scheduler of that class takes them.
 * @param request how many steps, or at which timesteps
 * @param as the class to read the config as, where not its own
 * @throws Error naming file and key for what is malformed or not supported yet.
 */
export function stepsOf(
  config: Config,
  request: StepsRequest,
  options: StepsOptions = {},
  as: SchedulerClass = schedulerClass(config),
): Steps {
  return BY_CLASS[as](config, request, options);
}

/** Schedulers whose single step starts at pure noise only where `timestep_spacing` is "trailing", with their default. */
const SPACED = {
  EulerDiscreteScheduler: 'linspace',
  EulerAncestralDiscreteScheduler: 'linspace',
  DDPMScheduler: 'leading',
  DDIMScheduler: 'leading',
} as const satisfies Partial<Record<SchedulerClass, string>>;

/**
 * A run of one step, as three numbers.
 * @param timestep where the single step starts, for generators distilled at another one than the last
 *   (HyperSDXL 800, PixArt-α DMD 400)
 * @param as the class to read the config as, where not its own
 * @throws Error naming file and key for what is malformed or not supported yet, or a step that starts at no noise
 */
export function oneStepOf(config: Config, timestep?: number, as: SchedulerClass = schedulerClass(config)): OneStep {
  if (timestep === undefined && as in SPACED) {
    const spacing = timestepSpacing(config, SPACED[as as keyof typeof SPACED]);
    if (spacing !== 'trailing') {
      config.fail('timestep_spacing', `is "${spacing}", whose single step starts without noise; give a timestep`);
    }
  }
  // Flow matching starts at σ = 1, which every shift leaves at 1.
  return fromSteps(stepsOf(config, timestep === undefined ? 1 : [timestep], { mu: 0 }, as));
}
