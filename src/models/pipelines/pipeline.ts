/** Text-to-image generators as the ReNO loop sees them, whatever networks they consist of. */
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import type { ComputeDType } from '../layers/half_precision.ts';
import type { SchedulerClass, Steps } from '../schedulers/index.ts';
import type { OnCut, PromptValues } from '../tokenizers/tokenizers.ts';
import type { WeightStore } from '../weights/weight_store.ts';

/** Settings for opening a generator; each has a default. */
export interface PipelineOptions {
  /** Timestep where the single step starts. Default: the scheduler's own first timestep (HyperSDXL needs 800). */
  readonly timestep?: number;
  /** Replaces the class that scheduler_config.json names, as diffusers' `from_config` does (HyperSDXL needs LCMScheduler). */
  readonly scheduler?: SchedulerClass;
  /** Storage type of the denoiser's and the decoder's activations. Text encoders stay f32: they run once per prompt. Default f32. */
  readonly dtype?: ComputeDType;
  /** Pictures that are made at once, each of a prompt of its own. Default 1. */
  readonly batch?: number;
}

/** A text-to-image generator of one step. */
export interface TextToImagePipeline {
  /** The checkpoints that the networks read. They must be uploaded into the plan. */
  readonly weights: readonly WeightStore[];
  /**
   * Returns the shape of the noise for a picture of height × width pixels, as PyTorch draws it ([1,C,h,w] for UNets).
   * The default size is the one that the generator was trained at. @throws Error when the size is not possible
   */
  latentShape(height?: number, width?: number): Shape;
  /**
   * Returns the values of one prompt, which must be written into the plan before its `prompt` stage runs; with a batch, those of a row.
   * @param onCut is told of each text encoder that reads the beginning of the prompt only
   */
  promptValues(prompt: string, onCut?: OnCut): PromptValues;
  /** Noise → pictures [N,H,W,3] in [0,1]. A clamped value has no gradient. */
  generate(latents: Tensor): Tensor;
}

/** The text that the denoiser sees: the prompt, or the empty prompt (the negative side of guidance). */
export type Condition = 'prompt' | 'empty';

/** A pipeline whose denoiser can be run one step at a time. All latents have the shape and layout of the noise. */
export interface StepwisePipeline extends TextToImagePipeline {
  /** The settings of the reference implementation. */
  readonly defaults: { readonly steps: number; readonly guidance: number };
  /** Returns the scheduler's `count` steps for latents of this shape. */
  schedule(count: number, latents: Shape): Steps;
  /** Returns the numbers that embed a timestep: the values of `time` [1,n] in `predict`. */
  timeValues(timestep: number): readonly number[];
  /** Returns the denoiser's prediction for latents that the scheduler has scaled. */
  predict(latents: Tensor, time: Tensor, condition: Condition): Tensor;
  /** Denoised latents → pictures [N,H,W,3] in [0,1]. */
  decode(latents: Tensor): Tensor;
}

export function isStepwise(pipeline: TextToImagePipeline): pipeline is StepwisePipeline {
  return 'predict' in pipeline && 'schedule' in pipeline;
}
