/** A pipeline's scheduler_config.json, read as one step or as several. */
import type { Config } from '../checkpoint/config.ts';
import { shown } from '../checkpoint/messages.ts';
import {
  type OneStep,
  oneStepOf,
  type SchedulerClass,
  type Steps,
  type StepsOptions,
  schedulerClass,
  stepsOf,
} from '../schedulers/index.ts';

export class PipelineScheduler {
  readonly config: Config;
  readonly #named: string;
  readonly #timestep: number | undefined;
  readonly #as: SchedulerClass | undefined;

  /**
   * @param named the class that model_index.json names, which diffusers uses whatever `_class_name` of the config says
   * @param timestep where the single step starts. Default: the scheduler's own first timestep
   * @param as the class to read the config as. Default: `named`
   */
  constructor(config: Config, named: string, timestep?: number, as?: SchedulerClass) {
    this.config = config;
    this.#named = named;
    this.#timestep = timestep;
    this.#as = as;
    const own = config.value('_class_name');
    if (as === undefined && own !== undefined && own !== named) {
      config.warn(
        `_class_name is ${shown(own)}, but model_index.json says ${shown(named)}, which is used, as in diffusers`,
      );
    }
  }

  /** @throws Error when the scheduler has no single step that starts from pure noise */
  oneStep(): OneStep {
    return oneStepOf(this.config, this.#timestep, this.#as ?? schedulerClass(this.config, this.#named));
  }

  /**
   * Returns `count` steps. PNDMScheduler, which Stable Diffusion comes with, needs several earlier predictions; it is
   * read as EulerDiscreteScheduler, which the reference implementation of ReNO uses in its place.
   */
  steps(count: number, options?: StepsOptions): Steps {
    const named = this.#named === 'PNDMScheduler' ? 'EulerDiscreteScheduler' : this.#named;
    return stepsOf(this.config, count, options, this.#as ?? schedulerClass(this.config, named));
  }
}
