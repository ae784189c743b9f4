/** What the loop knows of a text-to-image generator, whatever networks it is made of. */
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import type { ComputeDType } from '../layers/half_precision.ts';
import type { SchedulerClass, Steps } from '../schedulers/index.ts';
import type { PromptValues } from '../tokenizers/prompt.ts';
import type { WeightStore } from '../weights/weight_store.ts';

export interface PipelineOptions {
  /** Where the single step starts, if not where the scheduler's own does (HyperSDXL 800). */
  readonly timestep?: number;
  /** Takes the place of the class that scheduler_config.json names, as diffusers' `from_config` (HyperSDXL LCMScheduler). */
  readonly scheduler?: SchedulerClass;
  /** Of the denoiser and the decoder; text encoders stay f32: they run once per prompt. Default f32. */
  readonly dtype?: ComputeDType;
}

export interface TextToImagePipeline {
  /** The checkpoints the networks read, to be uploaded into the plan. */
  readonly weights: readonly WeightStore[];
  /**
   * Shape of the noise as PyTorch draws it ([1,C,h,w] for UNets) for a picture of height × width pixels; default: the
   * size the generator was trained at. @throws Error when that size is not possible
   */
  latentShape(height?: number, width?: number): Shape;
  /** What to write into the plan before its `prompt` stage runs. */
  promptValues(prompt: string): PromptValues;
  /** Noise → pictures [N,H,W,3] in [0,1]; what is clamped has no gradient. */
  generate(latents: Tensor): Tensor;
}

/** What the denoiser is told of: the prompt, or nothing (the empty prompt), which guidance leads away from. */
export type Condition = 'prompt' | 'empty';

/** A pipeline whose denoiser can be asked for one step at a time. All latents have the noise's shape and layout. */
export interface StepwisePipeline extends TextToImagePipeline {
  /** What the reference implementation runs it with. */
  readonly defaults: { readonly steps: number; readonly guidance: number };
  /** How its scheduler takes `count` steps on latents of this shape. */
  schedule(count: number, latents: Shape): Steps;
  /** What `predict` takes as `time`: [1,n] numbers for a timestep of the schedule. */
  timeValues(timestep: number): readonly number[];
  /** What the denoiser predicts of latents that the scheduler has scaled. */
  predict(latents: Tensor, time: Tensor, condition: Condition): Tensor;
  /** Denoised latents → pictures [N,H,W,3] in [0,1]. */
  decode(latents: Tensor): Tensor;
}

export function isStepwise(pipeline: TextToImagePipeline): pipeline is StepwisePipeline {
  return 'predict' in pipeline && 'schedule' in pipeline;
}
