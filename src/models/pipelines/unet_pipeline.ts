/** What the pipelines of a UNet share: Stable Diffusion and SDXL differ in their text encoders and in what the UNet is told of them. */
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import { type ComputeDType, storedAs } from '../layers/half_precision.ts';
import { modelInput, predictX0, type Steps } from '../schedulers/index.ts';
import type { PromptValues } from '../tokenizers/prompt.ts';
import type { UNet2DConditionModel } from '../unet/unet_2d_condition.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { decodeImage, type LatentDecoder, noiseShape, toFirst, toLast } from './parts.ts';
import type { Condition, StepwisePipeline } from './pipeline.ts';
import type { PipelineScheduler } from './scheduler.ts';

export interface UNetParts {
  readonly unet: UNet2DConditionModel;
  readonly vae: LatentDecoder;
  readonly scheduler: PipelineScheduler;
  readonly weights: readonly WeightStore[];
  readonly dtype: ComputeDType;
  /** SDXL's own decoder needs f32 beside a UNet in f16. */
  readonly decoderDtype: ComputeDType;
}

export abstract class UNetPipeline implements StepwisePipeline {
  abstract readonly defaults: { readonly steps: number; readonly guidance: number };
  readonly unet: UNet2DConditionModel;
  readonly vae: LatentDecoder;
  readonly scheduler: PipelineScheduler;
  readonly weights: readonly WeightStore[];
  readonly #dtype: ComputeDType;
  readonly #decoderDtype: ComputeDType;

  constructor(parts: UNetParts) {
    this.unet = parts.unet;
    this.vae = parts.vae;
    this.scheduler = parts.scheduler;
    this.weights = parts.weights;
    this.#dtype = parts.dtype;
    this.#decoderDtype = parts.decoderDtype;
  }

  abstract promptValues(prompt: string): PromptValues;

  /**
   * The UNet as a function of its input alone.
   * @param latents [N,h,w,C], for what depends on the picture's size
   */
  protected abstract conditioned(
    latents: Tensor,
    timestep: number | Tensor,
    condition: Condition,
  ): (x: Tensor) => Tensor;

  latentShape(height = this.#nativeSize, width = this.#nativeSize): Shape {
    return noiseShape(this.unet.config.in_channels, this.vae.scale, height, width);
  }

  get #nativeSize(): number {
    return this.unet.config.sample_size * this.vae.scale;
  }

  /** @throws Error when the scheduler has no single step from pure noise */
  generate(latents: Tensor): Tensor {
    return decodeImage(this.vae, this.denoise(toLast(latents)), this.#decoderDtype);
  }

  /** The denoised latents, unit variance: z [N,h,w,C] → [N,h,w,C]. */
  denoise(z: Tensor): Tensor {
    const step = this.scheduler.oneStep();
    return predictX0(step, z, this.#unet(modelInput(step, z), step.timestep, 'prompt'));
  }

  schedule(count: number): Steps {
    return this.scheduler.steps(count);
  }

  timeValues(timestep: number): readonly number[] {
    return this.unet.sinusoids(timestep);
  }

  predict(latents: Tensor, time: Tensor, condition: Condition): Tensor {
    return toFirst(this.#unet(toLast(latents), time, condition));
  }

  decode(latents: Tensor): Tensor {
    return decodeImage(this.vae, toLast(latents), this.#decoderDtype);
  }

  #unet(x: Tensor, timestep: number | Tensor, condition: Condition): Tensor {
    return storedAs(this.#dtype, x, this.conditioned(x, timestep, condition));
  }
}
