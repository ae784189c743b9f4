/**
 * The common form of all schedulers here. Each is linear in the latents x, the model's prediction and fresh noise, so a run
 * of n steps is a table of numbers: x ← `sample`·x + `prediction`·model(`inputScale`·x, `timestep`) + `noise`·fresh, from
 * x = `initial`·z with standard normal z.
 */
import type { Config } from '../checkpoint/config.ts';

export interface LinearStep {
  /** The model's timestep, in training steps. Some spacings give fractions. */
  readonly timestep: number;
  readonly inputScale: number;
  readonly sample: number;
  readonly prediction: number;
  /** Factor of the fresh noise; 0 where the step adds none. */
  readonly noise: number;
}

export interface Steps {
  /** diffusers' `init_noise_sigma`, the factor of the standard normal noise in the first x. */
  readonly initial: number;
  readonly steps: readonly LinearStep[];
}

/** A value that is linear in the latents x and the model's prediction. */
export interface Linear {
  readonly sample: number;
  readonly prediction: number;
}

export interface StepsOptions {
  /** Flow matching: noise levels before their shift, from the pipeline. Default: the scheduler's own. */
  readonly sigmas?: readonly number[];
  /** Flow matching with `use_dynamic_shifting`: the strength of the shift (see `dynamicShift`). */
  readonly mu?: number;
}

/** The number of steps, spaced as the config says, or the timesteps themselves in falling order. */
export type StepsRequest = number | readonly number[];

export type Scheduler = (config: Config, request: StepsRequest, options: StepsOptions) => Steps;

/** Returns a·x + b·y for two linear values. */
export function combine(a: number, x: Linear, b: number, y: Linear): Linear {
  return { sample: a * x.sample + b * y.sample, prediction: a * x.prediction + b * y.prediction };
}

/** The latents themselves as a linear value. */
export const SAMPLE: Linear = { sample: 1, prediction: 0 };
