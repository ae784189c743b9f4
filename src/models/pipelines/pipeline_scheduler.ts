/** A pipeline's scheduler_config.json, read as one step or as several. */
import type { Config } from '../checkpoint/config.ts';
import {
  type OneStep,
  oneStepOf,
  type SchedulerClass,
  type Steps,
  type StepsOptions,
  stepsOf,
} from '../schedulers/index.ts';

export class PipelineScheduler {
  readonly config: Config;
  readonly #timestep: number | undefined;
  readonly #as: SchedulerClass | undefined;

  /**
   * @param timestep where the single step starts. Default: the scheduler's own first timestep
   * @param as the class to read the config as. Default: the class that the config names
   */
  constructor(config: Config, timestep?: number, as?: SchedulerClass) {
    this.config = config;
    this.#timestep = timestep;
    this.#as = as;
  }

  /** @throws Error when the scheduler has no single step that starts from pure noise */
  oneStep(): OneStep {
    return oneStepOf(this.config, this.#timestep, this.#as);
  }

  /**
   * Returns `count` steps. PNDMScheduler, which Stable Diffusion comes with, needs several earlier predictions; it is
   * read as EulerDiscreteScheduler, which the reference implementation of ReNO uses in its place.
   */
  steps(count: number, options?: StepsOptions): Steps {
    const pndm = this.config.value('_class_name') === 'PNDMScheduler';
    return stepsOf(this.config, count, options, this.#as ?? (pndm ? 'EulerDiscreteScheduler' : undefined));
  }
}
