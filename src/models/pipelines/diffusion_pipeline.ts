/** The frame that all pipelines share. Source: diffusers/pipelines/pipeline_utils.py: DiffusionPipeline. */
import { transpose } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import type { ComputeDType } from '../layers/half_precision.ts';
import { modelInput, predictX0 } from '../schedulers/index.ts';
import type { OnCut, PromptValues } from '../tokenizers/tokenizers.ts';
import { decodeImage, type LatentDecoder } from '../vae/latent_decoder.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import type { Condition, TextToImagePipeline } from './pipeline.ts';
import type { PipelineScheduler } from './pipeline_scheduler.ts';

/** The components that every pipeline has. */
export interface PipelineComponents {
  readonly vae: LatentDecoder;
  readonly scheduler: PipelineScheduler;
  readonly weights: readonly WeightStore[];
  /** Storage type of the denoiser's activations. */
  readonly dtype: ComputeDType;
  /** Storage type of the decoder's activations. Default: `dtype`. */
  readonly decoderDtype?: ComputeDType;
}

/** The generator's latents as its config describes them. */
export interface LatentGrid {
  readonly channels: number;
  /** Height and width of the latents that the generator was trained at. */
  readonly sampleSize: readonly [height: number, width: number];
  /** Latents per token, along one side. */
  readonly patch: number;
}

export abstract class DiffusionPipeline implements TextToImagePipeline {
  readonly vae: LatentDecoder;
  readonly scheduler: PipelineScheduler;
  readonly weights: readonly WeightStore[];
  protected readonly dtype: ComputeDType;
  readonly #decoderDtype: ComputeDType;

  /** @throws Error when a checkpoint has tensors that no network reads */
  constructor(components: PipelineComponents) {
    this.vae = components.vae;
    this.scheduler = components.scheduler;
    this.weights = components.weights;
    this.dtype = components.dtype;
    this.#decoderDtype = components.decoderDtype ?? components.dtype;
    for (const store of this.weights) {
      store.assertAllUsed();
    }
  }

  protected abstract get grid(): LatentGrid;

  abstract promptValues(prompt: string, onCut?: OnCut): PromptValues;

  /**
   * Returns the denoiser's prediction for latents that the scheduler has scaled, in the network's layout.
   * @param timestep in training steps, or the numbers that embed it as a tensor (see `StepwisePipeline.timeValues`)
   */
  protected abstract denoiser(x: Tensor, timestep: number | Tensor, condition: Condition): Tensor;

  latentShape(height?: number, width?: number): Shape {
    const { channels } = this.grid;
    return [1, channels, ...this.latentSides(height, width)];
  }

  /** Returns the height and width of the latents. @throws Error when a side of the picture is not whole tokens */
  protected latentSides(height?: number, width?: number): readonly [height: number, width: number] {
    const { sampleSize, patch } = this.grid;
    const { scale } = this.vae;
    const [h, w] = [height ?? sampleSize[0] * scale, width ?? sampleSize[1] * scale];
    const step = scale * patch;
    if (h % step !== 0 || w % step !== 0) {
      throw new Error(`a picture of ${w}×${h} is not possible: sides must be multiples of ${step}`);
    }
    return [h / scale, w / scale];
  }

  /** @throws Error when the scheduler has no single step from pure noise */
  generate(latents: Tensor): Tensor {
    return this.#decodeImage(this.denoise(this.toNetwork(latents)));
  }

  /** Returns the denoised latents after a single step, of unit variance and in the network's layout as z is. */
  denoise(z: Tensor): Tensor {
    // 1. Scale the noise as the scheduler asks.
    const step = this.scheduler.oneStep();
    const x = modelInput(step, z);
    // 2. Predict. 3. Take the scheduler's step to the clean latents.
    return predictX0(step, z, this.denoiser(x, step.timestep, 'prompt'));
  }

  /** Denoised latents in the layout of the noise → pictures [N,H,W,3] in [0,1]. */
  decode(latents: Tensor): Tensor {
    return this.#decodeImage(this.toNetwork(latents));
  }

  #decodeImage(z: Tensor): Tensor {
    return decodeImage(this.vae, this.toDecoder(z), this.#decoderDtype);
  }

  /** Layout of the noise [N,C,h,w] → layout of the denoiser [N,h,w,C]. */
  protected toNetwork(latents: Tensor): Tensor {
    return transpose(latents, [0, 2, 3, 1]);
  }

  /** Layout of the denoiser [N,h,w,C] → layout of the noise [N,C,h,w]. */
  protected fromNetwork(latents: Tensor): Tensor {
    return transpose(latents, [0, 3, 1, 2]);
  }

  /** Layout of the denoiser → layout of the decoder [N,h,w,C]. */
  protected toDecoder(latents: Tensor): Tensor {
    return latents;
  }
}
