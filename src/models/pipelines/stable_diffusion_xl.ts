/** diffusers' StableDiffusionXLPipeline in one step (SDXL-Turbo, HyperSDXL) or several (SDXL). */
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import { type Config, readConfig } from '../config.ts';
import { type ModelFiles, subfolder } from '../files.ts';
import { type ComputeDType, storedAs, weightStorage } from '../half_precision.ts';
import type { PromptValues } from '../prompt.ts';
import { modelInput, predictX0, type Steps } from '../schedulers/index.ts';
import type { AddedCond } from '../text_time.ts';
import { readUNet2DConditionConfig, type UNet2DConditionConfig, UNet2DConditionModel } from '../unet_2d_condition.ts';
import { openWeights, type WeightStore } from '../weights.ts';
import {
  checkedPart,
  DIFFUSERS,
  decodeImage,
  type LatentDecoder,
  noiseShape,
  openDecoder,
  toFirst,
  toLast,
} from './parts.ts';
import type { Condition, PipelineOptions, StepwisePipeline } from './pipeline.ts';
import { PipelineScheduler } from './scheduler.ts';
import { openSDXLTextEncoders, type SDXLTextEncoders } from './sdxl_text.ts';

/** The file of ByteDance/Hyper-SD: a whole UNet of SDXL, beside SDXL's own config.json. */
const PUBLISHED_UNETS = ['Hyper-SDXL-1step-Unet.safetensors'];

interface Parts {
  readonly text: SDXLTextEncoders;
  readonly unet: UNet2DConditionModel;
  readonly vae: LatentDecoder;
  readonly scheduler: PipelineScheduler;
  readonly weights: readonly WeightStore[];
  readonly dtype: ComputeDType;
  readonly decoderDtype: ComputeDType;
  readonly zerosForEmpty: boolean;
}

export class StableDiffusionXLPipeline implements StepwisePipeline {
  readonly defaults = { steps: 50, guidance: 5 };
  readonly text: SDXLTextEncoders;
  readonly unet: UNet2DConditionModel;
  readonly vae: LatentDecoder;
  readonly scheduler: PipelineScheduler;
  readonly weights: readonly WeightStore[];
  readonly #dtype: ComputeDType;
  readonly #decoderDtype: ComputeDType;
  readonly #zerosForEmpty: boolean;

  private constructor(parts: Parts) {
    this.text = parts.text;
    this.unet = parts.unet;
    this.vae = parts.vae;
    this.scheduler = parts.scheduler;
    this.weights = parts.weights;
    this.#dtype = parts.dtype;
    this.#decoderDtype = parts.decoderDtype;
    this.#zerosForEmpty = parts.zerosForEmpty;
  }

  /**
   * Reads configs and the weights' headers, and declares weights and prompt as inputs of `graph`.
   * @throws Error, one sentence with file and key or tensor, for what is missing, malformed or not supported yet.
   */
  static async open(
    graph: Graph,
    files: ModelFiles,
    index: Config,
    { timestep, scheduler, dtype = 'f32' }: PipelineOptions,
  ): Promise<StableDiffusionXLPipeline> {
    const storage = weightStorage(dtype);
    const folder = subfolder(files, checkedPart(index, 'unet', ['UNet2DConditionModel']).folder);
    const config = await readConfig(folder);
    const unetConfig = readUNet2DConditionConfig(config);
    const text = await openSDXLTextEncoders(graph, files, index, storage);
    assertTogether(config, unetConfig, text);
    const unetWeights = await openWeights(graph, folder, DIFFUSERS, {
      name: 'unet',
      published: PUBLISHED_UNETS,
      storage,
    });
    const decoderDtype = (await forceUpcast(files, index)) ? 'f32' : dtype;
    const vae = await openDecoder(graph, files, index, decoderDtype);
    const pipeline = new StableDiffusionXLPipeline({
      text,
      unet: new UNet2DConditionModel(unetWeights, unetConfig),
      vae: vae.decoder,
      scheduler: await PipelineScheduler.open(files, timestep, scheduler),
      weights: [...text.weights, unetWeights, vae.weights],
      dtype,
      decoderDtype,
      zerosForEmpty: index.boolean('force_zeros_for_empty_prompt', true),
    });
    for (const store of pipeline.weights) {
      store.assertAllUsed();
    }
    return pipeline;
  }

  latentShape(height = this.#nativeSize, width = this.#nativeSize): Shape {
    return noiseShape(this.unet.config.in_channels, this.vae.scale, height, width);
  }

  get #nativeSize(): number {
    return this.unet.config.sample_size * this.vae.scale;
  }

  promptValues(prompt: string): PromptValues {
    return this.text.promptValues(prompt);
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
    const { promptEmbeds, textEmbeds } =
      condition === 'prompt' ? this.text.encode() : this.text.encodeEmpty(this.#zerosForEmpty);
    const [height, width] = [x.dim(1) * this.vae.scale, x.dim(2) * this.vae.scale];
    // Made at this size, with nothing cropped away, for this size.
    const added: AddedCond = { text_embeds: textEmbeds, time_ids: [height, width, 0, 0, height, width] };
    return storedAs(this.#dtype, x, (stored) => this.unet.forward(stored, timestep, promptEmbeds, added));
  }
}

/**
 * SDXL's own autoencoder goes beyond f16's range, and says so; sdxl-vae-fp16-fix says that it does not. What is absent
 * has diffusers' default.
 */
async function forceUpcast(files: ModelFiles, index: Config): Promise<boolean> {
  const { folder, type } = checkedPart(index, 'vae', ['AutoencoderKL', 'AutoencoderTiny']);
  return (await readConfig(subfolder(files, folder))).boolean('force_upcast', type === 'AutoencoderKL');
}

/** original_size, crops_coords_top_left and target_size, two numbers each. */
const TIME_IDS = 6;

/** @throws Error when the UNet was made for text encoders of other widths */
function assertTogether(file: Config, unet: UNet2DConditionConfig, text: SDXLTextEncoders): void {
  const { hidden_size } = text.text_encoder.config;
  const { hidden_size: hidden_size_2, projection_dim } = text.text_encoder_2.config;
  if (hidden_size + hidden_size_2 !== unet.cross_attention_dim) {
    const both = `${hidden_size} + ${hidden_size_2}`;
    file.fail('cross_attention_dim', `is ${unet.cross_attention_dim}, but the text encoders' hidden_size are ${both}`);
  }
  if (!unet.addition_embed) {
    file.fail('addition_embed_type', 'must be "text_time" in a StableDiffusionXLPipeline');
  }
  const { addition_time_embed_dim: each, projection_class_embeddings_input_dim: width } = unet.addition_embed;
  if (projection_dim + TIME_IDS * each !== width) {
    file.fail(
      'projection_class_embeddings_input_dim',
      `is ${width}, but text_encoder_2's projection_dim ${projection_dim} and ${TIME_IDS} × addition_time_embed_dim ` +
        `${each} make ${projection_dim + TIME_IDS * each}`,
    );
  }
}
