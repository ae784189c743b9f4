/** diffusers' StableDiffusionXLPipeline reduced to one step: SDXL-Turbo, HyperSDXL. */
import { transpose } from '../../kernels/index.ts';
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import { type Config, readConfig } from '../config.ts';
import { type ModelFiles, subfolder } from '../files.ts';
import { type ComputeDType, storedAs, weightStorage } from '../half_precision.ts';
import type { PromptValues } from '../prompt.ts';
import { modelInput, type OneStep, oneStepOf, predictX0 } from '../schedulers/index.ts';
import type { AddedCond } from '../text_time.ts';
import { readUNet2DConditionConfig, type UNet2DConditionConfig, UNet2DConditionModel } from '../unet_2d_condition.ts';
import { openWeights, type WeightStore } from '../weights.ts';
import { checkedPart, DIFFUSERS, decodeImage, type LatentDecoder, noiseShape, openDecoder } from './parts.ts';
import type { PipelineOptions, TextToImagePipeline } from './pipeline.ts';
import { openSDXLTextEncoders, type SDXLTextEncoders } from './sdxl_text.ts';

/** The file of ByteDance/Hyper-SD: a whole UNet of SDXL, beside SDXL's own config.json. */
const PUBLISHED_UNETS = ['Hyper-SDXL-1step-Unet.safetensors'];

interface Parts {
  readonly text: SDXLTextEncoders;
  readonly unet: UNet2DConditionModel;
  readonly vae: LatentDecoder;
  readonly scheduler: OneStep;
  readonly weights: readonly WeightStore[];
  readonly dtype: ComputeDType;
  readonly decoderDtype: ComputeDType;
}

export class StableDiffusionXLPipeline implements TextToImagePipeline {
  readonly text: SDXLTextEncoders;
  readonly unet: UNet2DConditionModel;
  readonly vae: LatentDecoder;
  readonly scheduler: OneStep;
  readonly weights: readonly WeightStore[];
  readonly #dtype: ComputeDType;
  readonly #decoderDtype: ComputeDType;

  private constructor(parts: Parts) {
    this.text = parts.text;
    this.unet = parts.unet;
    this.vae = parts.vae;
    this.scheduler = parts.scheduler;
    this.weights = parts.weights;
    this.#dtype = parts.dtype;
    this.#decoderDtype = parts.decoderDtype;
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
      scheduler: oneStepOf(await readConfig(files, 'scheduler/scheduler_config.json'), timestep, scheduler),
      weights: [...text.weights, unetWeights, vae.weights],
      dtype,
      decoderDtype,
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

  generate(latents: Tensor): Tensor {
    return decodeImage(this.vae, this.denoise(transpose(latents, [0, 2, 3, 1])), this.#decoderDtype);
  }

  /** The denoised latents, unit variance: z [N,h,w,C] → [N,h,w,C]. */
  denoise(z: Tensor): Tensor {
    const { scheduler } = this;
    const { promptEmbeds, textEmbeds } = this.text.encode();
    const [height, width] = [z.dim(1) * this.vae.scale, z.dim(2) * this.vae.scale];
    // Made at this size, with nothing cropped away, for this size.
    const added: AddedCond = { text_embeds: textEmbeds, time_ids: [height, width, 0, 0, height, width] };
    const prediction = storedAs(this.#dtype, modelInput(scheduler, z), (x) => {
      return this.unet.forward(x, scheduler.timestep, promptEmbeds, added);
    });
    return predictX0(scheduler, z, prediction);
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
