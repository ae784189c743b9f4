/** diffusers' StableDiffusionXLPipeline in one step (SDXL-Turbo, HyperSDXL) or several (SDXL). */
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type Config, readConfig } from '../checkpoint/config.ts';
import { type ModelFiles, subfolder } from '../checkpoint/files.ts';
import { weightStorage } from '../layers/half_precision.ts';
import type { PromptValues } from '../tokenizers/prompt.ts';
import type { AddedCond } from '../unet/text_time.ts';
import {
  readUNet2DConditionConfig,
  type UNet2DConditionConfig,
  UNet2DConditionModel,
} from '../unet/unet_2d_condition.ts';
import { openWeights } from '../weights/open_weights.ts';
import { checkedPart, DIFFUSERS, decoderPart, openDecoder } from './parts.ts';
import type { Condition, PipelineOptions } from './pipeline.ts';
import { PipelineScheduler } from './scheduler.ts';
import { openSDXLTextEncoders, type SDXLTextEncoders } from './sdxl_text.ts';
import { type UNetParts, UNetPipeline } from './unet_pipeline.ts';

/** The file of ByteDance/Hyper-SD: a whole UNet of SDXL, beside SDXL's own config.json. */
const PUBLISHED_UNETS = ['Hyper-SDXL-1step-Unet.safetensors'];

interface Parts extends UNetParts {
  readonly text: SDXLTextEncoders;
  readonly zerosForEmpty: boolean;
}

export class StableDiffusionXLPipeline extends UNetPipeline {
  readonly defaults = { steps: 50, guidance: 5 };
  readonly text: SDXLTextEncoders;
  readonly #zerosForEmpty: boolean;

  private constructor(parts: Parts) {
    super(parts);
    this.text = parts.text;
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

  promptValues(prompt: string): PromptValues {
    return this.text.promptValues(prompt);
  }

  protected conditioned(latents: Tensor, timestep: number | Tensor, condition: Condition): (x: Tensor) => Tensor {
    const { promptEmbeds, textEmbeds } =
      condition === 'prompt' ? this.text.encode() : this.text.encodeEmpty(this.#zerosForEmpty);
    const [height, width] = [latents.dim(1) * this.vae.scale, latents.dim(2) * this.vae.scale];
    // Made at this size, with nothing cropped away, for this size.
    const added: AddedCond = { text_embeds: textEmbeds, time_ids: [height, width, 0, 0, height, width] };
    return (x) => this.unet.forward(x, timestep, promptEmbeds, added);
  }
}

/**
 * SDXL's own autoencoder goes beyond f16's range, and says so; sdxl-vae-fp16-fix says that it does not. What is absent
 * has diffusers' default.
 */
async function forceUpcast(files: ModelFiles, index: Config): Promise<boolean> {
  const { config, type } = await decoderPart(files, index);
  return config.boolean('force_upcast', type === 'AutoencoderKL');
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
