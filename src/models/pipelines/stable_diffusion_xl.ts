/**
 * SDXL in one step (SDXL-Turbo, HyperSDXL) or several.
 * Source: diffusers/pipelines/stable_diffusion_xl/pipeline_stable_diffusion_xl.py: StableDiffusionXLPipeline.
 */
import type { Tensor } from '../../tensor/tensor.ts';
import type { Config } from '../checkpoint/config.ts';
import type { OnCut, PromptValues } from '../tokenizers/tokenizers.ts';
import type { AddedCond } from '../unet/text_time.ts';
import {
  readUNet2DConditionConfig,
  type UNet2DConditionConfig,
  UNet2DConditionModel,
} from '../unet/unet_2d_condition.ts';
import { decoderClass } from '../vae/latent_decoder.ts';
import type { Condition } from './pipeline.ts';
import type { PipelineFolder } from './pipeline_folder.ts';
import { openSDXLTextEncoders, type SDXLTextEncoders } from './sdxl_text.ts';
import { type UNetComponents, UNetPipeline } from './unet_pipeline.ts';

/** The file of ByteDance/Hyper-SD: a whole UNet of SDXL, beside SDXL's own config.json. */
const PUBLISHED_UNETS = ['Hyper-SDXL-1step-Unet.safetensors'];

interface Components extends UNetComponents {
  readonly text: SDXLTextEncoders;
  readonly zerosForEmpty: boolean;
}

export class StableDiffusionXLPipeline extends UNetPipeline {
  readonly defaults = { steps: 50, guidance: 5 };
  readonly text: SDXLTextEncoders;
  readonly #zerosForEmpty: boolean;

  private constructor(components: Components) {
    super(components);
    this.text = components.text;
    this.#zerosForEmpty = components.zerosForEmpty;
  }

  /**
   * Reads configs and the headers of the weight files, and declares weights and prompt as inputs of the graph.
   * @throws Error, one sentence with file and key or tensor, for what is missing, malformed or not supported yet
   */
  static async open(folder: PipelineFolder): Promise<StableDiffusionXLPipeline> {
    // 1. Read the configs, build the text encoders, and check that the components fit together.
    const unet = await folder.component('unet', ['UNet2DConditionModel']);
    const unetConfig = readUNet2DConditionConfig(unet.config);
    const text = await openSDXLTextEncoders(folder);
    checkWidths(unet.config, unetConfig, text);
    // 2. Open the weights. 3. Build the networks.
    const unetWeights = await folder.weights(unet, 'diffusers', { published: PUBLISHED_UNETS });
    const decoderDtype = (await forceUpcast(folder)) ? 'f32' : folder.dtype;
    const decoder = await folder.decoder(decoderDtype);
    return new StableDiffusionXLPipeline({
      text,
      unet: new UNet2DConditionModel(unetWeights, unetConfig),
      vae: decoder.vae,
      scheduler: await folder.scheduler(),
      weights: [...text.weights, unetWeights, decoder.weights],
      dtype: folder.dtype,
      decoderDtype,
      zerosForEmpty: folder.index.boolean('force_zeros_for_empty_prompt', true),
    });
  }

  promptValues(prompt: string, onCut?: OnCut): PromptValues {
    return this.text.promptValues(prompt, onCut);
  }

  protected override conditioned(
    latents: Tensor,
    timestep: number | Tensor,
    condition: Condition,
  ): (x: Tensor) => Tensor {
    const { promptEmbeds, textEmbeds } =
      condition === 'prompt' ? this.text.encode() : this.text.encodeEmpty(this.#zerosForEmpty);
    const [height, width] = [latents.dim(1) * this.vae.scale, latents.dim(2) * this.vae.scale];
    // original_size, crops_coords_top_left and target_size: the picture is made at this size and nothing is cropped.
    const added: AddedCond = { text_embeds: textEmbeds, time_ids: [height, width, 0, 0, height, width] };
    return (x) => this.unet.forward(x, timestep, promptEmbeds, added);
  }
}

/** Returns `force_upcast` of the decoder: SDXL's own overflows f16, sdxl-vae-fp16-fix does not. */
async function forceUpcast(folder: PipelineFolder): Promise<boolean> {
  const { config, type } = await folder.decoderComponent();
  return config.boolean('force_upcast', decoderClass(type).forceUpcast);
}

/** original_size, crops_coords_top_left and target_size, two numbers each. */
const TIME_IDS = 6;

/** @throws Error when the UNet was made for text encoders of other widths */
function checkWidths(file: Config, unet: UNet2DConditionConfig, text: SDXLTextEncoders): void {
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
