/** The base of Stable Diffusion and SDXL. They differ in their text encoders and in what they pass to the UNet. */
import type { Tensor } from '../../tensor/tensor.ts';
import { storedAs } from '../layers/half_precision.ts';
import type { Steps } from '../schedulers/index.ts';
import type { UNet2DConditionModel } from '../unet/unet_2d_condition.ts';
import { DiffusionPipeline, type LatentGrid, type PipelineComponents } from './diffusion_pipeline.ts';
import type { Condition, StepwisePipeline } from './pipeline.ts';

export interface UNetComponents extends PipelineComponents {
  readonly unet: UNet2DConditionModel;
}

export abstract class UNetPipeline extends DiffusionPipeline implements StepwisePipeline {
  abstract readonly defaults: { readonly steps: number; readonly guidance: number };
  readonly unet: UNet2DConditionModel;

  constructor(components: UNetComponents) {
    super(components);
    this.unet = components.unet;
  }

  /**
   * Returns the UNet as a function of its input alone.
   * @param latents [N,h,w,C]; SDXL's UNet also takes the picture's size
   */
  protected abstract conditioned(
    latents: Tensor,
    timestep: number | Tensor,
    condition: Condition,
  ): (x: Tensor) => Tensor;

  protected override get grid(): LatentGrid {
    const { in_channels, sample_size } = this.unet.config;
    return { channels: in_channels, sampleSize: sample_size, patch: 1 };
  }

  protected override denoiser(x: Tensor, timestep: number | Tensor, condition: Condition): Tensor {
    return storedAs(this.dtype, x, this.conditioned(x, timestep, condition));
  }

  schedule(count: number): Steps {
    return this.scheduler.steps(count);
  }

  timeValues(timestep: number): readonly number[] {
    return this.unet.sinusoids(timestep);
  }

  predict(latents: Tensor, time: Tensor, condition: Condition): Tensor {
    return this.fromNetwork(this.denoiser(this.toNetwork(latents), time, condition));
  }
}
