/**
 * Stable Diffusion in one step (SD-Turbo) or several (SD 2.1).
 * Source: diffusers/pipelines/stable_diffusion/pipeline_stable_diffusion.py: StableDiffusionPipeline.
 */
import type { Tensor } from '../../tensor/tensor.ts';
import { CLIPTextModel, clipTextConfig } from '../clip/clip_text.ts';
import type { OnCut, PromptValues, TextTokenizer } from '../tokenizers/tokenizers.ts';
import { readUNet2DConditionConfig, UNet2DConditionModel } from '../unet/unet_2d_condition.ts';
import type { Condition } from './pipeline.ts';
import type { PipelineFolder } from './pipeline_folder.ts';
import { type UNetComponents, UNetPipeline } from './unet_pipeline.ts';

const PROMPT_IDS = 'generator.prompt_ids';
const PROMPT_MASK = 'generator.prompt_mask';

interface Components extends UNetComponents {
  readonly tokenizer: TextTokenizer;
  readonly text_encoder: CLIPTextModel;
}

export class StableDiffusionPipeline extends UNetPipeline {
  readonly defaults = { steps: 50, guidance: 7.5 };
  readonly tokenizer: TextTokenizer;
  readonly text_encoder: CLIPTextModel;
  readonly #ids: Tensor;
  /** 1 = token, 0 = padding; null where padding is not masked. */
  readonly #mask: Tensor | null;

  private constructor(folder: PipelineFolder, components: Components) {
    super(components);
    const { tokenizer, text_encoder } = components;
    const { max_position_embeddings: positions, use_attention_mask: masked } = text_encoder.config;
    const tokens = Math.min(positions, tokenizer.maxLength ?? positions);
    this.tokenizer = tokenizer;
    this.text_encoder = text_encoder;
    tokenizer.assertFits(text_encoder.config.vocab_size, 'vocab_size of text_encoder');
    this.#ids = folder.graph.input(PROMPT_IDS, [folder.batch, tokens], 'prompt', 'i32');
    this.#mask = masked ? folder.graph.input(PROMPT_MASK, [folder.batch, tokens], 'prompt') : null;
  }

  /**
   * Reads configs and the headers of the weight files, and declares weights and prompt as inputs of the graph.
   * @throws Error, one sentence with file and key or tensor, for what is missing, malformed or not supported yet
   */
  static async open(folder: PipelineFolder): Promise<StableDiffusionPipeline> {
    // 1. Read the configs and check that the components fit together.
    const text = await folder.component('text_encoder', ['CLIPTextModel']);
    const unet = await folder.component('unet', ['UNet2DConditionModel']);
    const textConfig = clipTextConfig(text.config);
    const unetConfig = readUNet2DConditionConfig(unet.config);
    if (textConfig.hidden_size !== unetConfig.cross_attention_dim) {
      unet.config.fail(
        'cross_attention_dim',
        `is ${unetConfig.cross_attention_dim}, but the text encoder's hidden_size is ${textConfig.hidden_size}`,
      );
    }
    // 2. Open the weights. 3. Build the networks.
    const textWeights = await folder.weights(text, 'transformers');
    const unetWeights = await folder.weights(unet, 'diffusers');
    const decoder = await folder.decoder();
    return new StableDiffusionPipeline(folder, {
      tokenizer: await folder.tokenizer('tokenizer'),
      text_encoder: new CLIPTextModel(textWeights, textConfig),
      unet: new UNet2DConditionModel(unetWeights, unetConfig),
      vae: decoder.vae,
      scheduler: await folder.scheduler(),
      weights: [textWeights, unetWeights, decoder.weights],
      dtype: folder.dtype,
    });
  }

  promptValues(prompt: string, onCut?: OnCut): PromptValues {
    const { ids, mask } = this.tokenizer.encode(prompt, this.#ids.dim(1), 'text_encoder', onCut);
    return new Map<string, Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>>([
      [PROMPT_IDS, ids],
      ...(this.#mask ? [[PROMPT_MASK, mask] as const] : []),
    ]);
  }

  /** Returns the text features for the UNet's cross-attention, [B,T,E]: the last hidden state after the final layer norm. */
  encodePrompt(condition: Condition = 'prompt'): Tensor {
    const { ids, mask } = condition === 'prompt' ? { ids: this.#ids, mask: this.#mask } : this.#empty();
    return this.text_encoder.forward(ids, mask ?? undefined).lastHiddenState;
  }

  protected override conditioned(_: Tensor, timestep: number | Tensor, condition: Condition): (x: Tensor) => Tensor {
    const context = this.encodePrompt(condition);
    return (x) => this.unet.forward(x, timestep, context);
  }

  /** The empty prompt is a constant, so everything that depends on it alone runs once, at load. */
  #empty(): { readonly ids: Tensor; readonly mask: Tensor | null } {
    const { graph } = this.#ids;
    const shape = [1, this.#ids.dim(1)];
    const { ids, mask } = this.tokenizer.encode('', this.#ids.dim(1));
    return { ids: graph.constant(ids, shape, 'i32'), mask: this.#mask && graph.constant(mask, shape) };
  }
}
