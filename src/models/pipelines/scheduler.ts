/** A pipeline's scheduler_config.json, as one step or as several. */
import { type Config, readConfig } from '../checkpoint/config.ts';
import type { ModelFiles } from '../checkpoint/files.ts';
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

  constructor(config: Config, timestep?: number, as?: SchedulerClass) {
    this.config = config;
    this.#timestep = timestep;
    this.#as = as;
  }

  /** `timestep` and `as` are for the single step, and the class also for several: see PipelineOptions. */
  static async open(files: ModelFiles, timestep?: number, as?: SchedulerClass): Promise<PipelineScheduler> {
    return new PipelineScheduler(await readConfig(files, 'scheduler/scheduler_config.json'), timestep, as);
  }

  /** @throws Error when there is no single step that starts from pure noise */
  oneStep(): OneStep {
    return oneStepOf(this.config, this.#timestep, this.#as);
  }

  /**
   * PNDMScheduler, which Stable Diffusion comes with and which needs several earlier predictions, is read as
   * EulerDiscreteScheduler: the reference implementation of ReNO swaps it for that one.
   */
  steps(count: number, options?: StepsOptions): Steps {
    const pndm = this.config.value('_class_name') === 'PNDMScheduler';
    return stepsOf(this.config, count, options, this.#as ?? (pndm ? 'EulerDiscreteScheduler' : undefined));
  }
}
