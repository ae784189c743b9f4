/**
 * Every scheduler here is linear in the latents x, the model's output and fresh noise, so a run of n steps is a table
 * of numbers: x ← `sample`·x + `prediction`·model(`inputScale`·x, `timestep`) + `noise`·fresh, from x = `initial`·z.
 */
import type { Config } from '../checkpoint/config.ts';

export interface LinearStep {
  /** What the model is told, in training steps; a fraction where the spacing gives one. */
  readonly timestep: number;
  readonly inputScale: number;
  readonly sample: number;
  readonly prediction: number;
  /** 0 where the step adds none. */
  readonly noise: number;
}

export interface Steps {
  /** diffusers' `init_noise_sigma`: the first x is this times standard normal noise. */
  readonly initial: number;
  readonly steps: readonly LinearStep[];
}

/** A value that is linear in the latents x and what the model predicted of them. */
export interface Linear {
  readonly sample: number;
  readonly prediction: number;
}

export interface StepsOptions {
  /** Flow matching: noise levels before their shift, as a pipeline hands them over. Default: the scheduler's own. */
  readonly sigmas?: readonly number[];
  /** Flow matching with `use_dynamic_shifting`: how far to shift, from the number of image tokens. */
  readonly mu?: number;
}

/** n steps as the config spaces them, or these timesteps, in falling order. */
export type StepsRequest = number | readonly number[];

export type Scheduler = (config: Config, request: StepsRequest, options: StepsOptions) => Steps;

/** `a`·x + `b`·y of two linear values. */
export function combine(a: number, x: Linear, b: number, y: Linear): Linear {
  return { sample: a * x.sample + b * y.sample, prediction: a * x.prediction + b * y.prediction };
}

/** The latents themselves. */
export const SAMPLE: Linear = { sample: 1, prediction: 0 };
