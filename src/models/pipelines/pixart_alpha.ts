/**
 * PixArt-α DMD: the public pipeline reduced to one step without guidance.
 * Source: diffusers/pipelines/pixart_alpha/pipeline_pixart_alpha.py: PixArtAlphaPipeline.
 */
import { slice } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { storedAs } from '../layers/half_precision.ts';
import {
  PIXART_IGNORE,
  PixArtTransformer2DModel,
  readPixArtTransformer2DConfig,
} from '../pixart/pixart_transformer_2d.ts';
import { T5_IGNORE, T5EncoderModel, t5Config } from '../t5/t5.ts';
import type { OnCut, PromptValues, TextTokenizer } from '../tokenizers/tokenizers.ts';
import { DiffusionPipeline, type LatentGrid, type PipelineComponents } from './diffusion_pipeline.ts';
import type { PipelineFolder } from './pipeline_folder.ts';

const PROMPT_IDS = 'generator.prompt_ids';
const PROMPT_MASK = 'generator.prompt_mask';

/** diffusers' max_sequence_length, whatever the tokenizer says. */
const TOKENS = 120;

/** The timestep that PixArt-α DMD was distilled to start at. No file has it. */
const TIMESTEP = 400;

/** The class's name in diffusers today, and in published checkpoints. */
const TRANSFORMERS = ['PixArtTransformer2DModel', 'Transformer2DModel'] as const;

interface Components extends PipelineComponents {
  readonly tokenizer: TextTokenizer;
  readonly text_encoder: T5EncoderModel;
  readonly transformer: PixArtTransformer2DModel;
}

export class PixArtAlphaPipeline extends DiffusionPipeline {
  readonly tokenizer: TextTokenizer;
  readonly text_encoder: T5EncoderModel;
  readonly transformer: PixArtTransformer2DModel;
  readonly #ids: Tensor;
  readonly #mask: Tensor;

  private constructor({ graph, batch }: PipelineFolder, components: Components) {
    super(components);
    this.tokenizer = components.tokenizer;
    this.text_encoder = components.text_encoder;
    this.transformer = components.transformer;
    this.tokenizer.assertFits(this.text_encoder.config.vocab_size, 'vocab_size of text_encoder');
    this.#ids = graph.input(PROMPT_IDS, [batch, TOKENS], 'prompt', 'i32');
    this.#mask = graph.input(PROMPT_MASK, [batch, TOKENS], 'prompt');
  }

  /**
   * Reads configs and the headers of the weight files, and declares weights and prompt as inputs of the graph.
   * @throws Error, one sentence with file and key or tensor, for what is missing, malformed or not supported yet
   */
  static async open(folder: PipelineFolder): Promise<PixArtAlphaPipeline> {
    // 1. Read the configs and check that the components fit together.
    const text = await folder.component('text_encoder', ['T5EncoderModel']);
    const transformer = await folder.component('transformer', TRANSFORMERS);
    const textConfig = t5Config(text.config);
    const config = readPixArtTransformer2DConfig(transformer.config);
    if (config.caption_channels !== textConfig.d_model) {
      const { caption_channels } = config;
      transformer.config.fail(
        'caption_channels',
        `is ${caption_channels}, but the text encoder's d_model is ${textConfig.d_model}`,
      );
    }
    // 2. Open the weights.
    const textWeights = await folder.weights(text, 'transformers', { ignore: T5_IGNORE });
    const transformerWeights = await folder.weights(transformer, 'diffusers', { ignore: PIXART_IGNORE });
    const decoder = await folder.decoder();
    // 3. Build the networks. A scheduler without a single step is refused here, before anything is traced.
    const tokenizer = await folder.tokenizer('tokenizer');
    const text_encoder = new T5EncoderModel(textWeights, textConfig);
    const network = new PixArtTransformer2DModel(transformerWeights, config);
    const scheduler = await folder.scheduler(TIMESTEP);
    scheduler.oneStep();
    return new PixArtAlphaPipeline(folder, {
      tokenizer,
      text_encoder,
      transformer: network,
      vae: decoder.vae,
      scheduler,
      weights: [textWeights, transformerWeights, decoder.weights],
      dtype: folder.dtype,
    });
  }

  protected override get grid(): LatentGrid {
    const { in_channels, sample_size, patch_size } = this.transformer.config;
    return { channels: in_channels, sampleSize: [sample_size, sample_size], patch: patch_size };
  }

  /** The text is prepared as diffusers does it without `clean_caption`: lower case, spaces at the ends removed. */
  promptValues(prompt: string, onCut?: OnCut): PromptValues {
    const { ids, mask } = this.tokenizer.encode(prompt.toLowerCase().trim(), TOKENS, 'text_encoder', onCut);
    return new Map<string, Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>>([
      [PROMPT_IDS, ids],
      [PROMPT_MASK, mask],
    ]);
  }

  /** Returns the text features for the transformer's cross-attention, [B,T,d_model]. */
  encodePrompt(): Tensor {
    return this.text_encoder.forward(this.#ids, this.#mask);
  }

  /** There is one step only, so the timestep is always a number. */
  protected override denoiser(x: Tensor, timestep: number): Tensor {
    const conditioning = {
      timestep,
      caption: this.encodePrompt(),
      captionMask: this.#mask,
      height: x.dim(1) * this.vae.scale,
      width: x.dim(2) * this.vae.scale,
    };
    return storedAs(this.dtype, x, (stored) => {
      // A model that also learned the variance has it in the channels after the noise.
      return slice(this.transformer.forward(stored, conditioning), [0, 0, 0, 0], x.shape);
    });
  }
}
