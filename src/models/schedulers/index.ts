/** Schedulers by the class that scheduler_config.json names. */
import type { Config } from '../config.ts';
import { eulerDiscrete } from './euler_discrete.ts';
import { flowMatchEulerDiscrete } from './flow_match_euler_discrete.ts';
import { ddpm, lcm } from './lcm.ts';
import type { OneStep } from './one_step.ts';

export { modelInput, type OneStep, predictX0 } from './one_step.ts';

const BY_CLASS = {
  EulerDiscreteScheduler: eulerDiscrete,
  EulerAncestralDiscreteScheduler: eulerDiscrete,
  FlowMatchEulerDiscreteScheduler: flowMatchEulerDiscrete,
  LCMScheduler: lcm,
  DDPMScheduler: ddpm,
} as const;
export type SchedulerClass = keyof typeof BY_CLASS;
const CLASSES = Object.keys(BY_CLASS) as SchedulerClass[];

/**
 * @param timestep where the single step starts, for generators distilled at another one than the last
 *   (HyperSDXL 800, PixArt-α DMD 400)
 * @param scheduler the class, if not the one that the config names (diffusers' `from_config`)
 * @throws Error naming file and key for what is malformed or not supported yet.
 */
export function oneStepOf(config: Config, timestep?: number, scheduler?: SchedulerClass): OneStep {
  return BY_CLASS[scheduler ?? config.oneOf('_class_name', CLASSES)](config, timestep);
}
