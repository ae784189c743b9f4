/** diffusers' PixArtAlphaPipeline reduced to one step without guidance: PixArt-α DMD. */
import { slice, transpose } from '../../kernels/index.ts';
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import { type Config, readConfig } from '../checkpoint/config.ts';
import { type ModelFiles, subfolder } from '../checkpoint/files.ts';
import { type ComputeDType, storedAs, weightStorage } from '../layers/half_precision.ts';
import {
  PIXART_IGNORE,
  PixArtTransformer2DModel,
  readPixArtTransformer2DConfig,
} from '../pixart/pixart_transformer_2d.ts';
import { modelInput, type OneStep, oneStepOf, predictX0 } from '../schedulers/index.ts';
import { T5_IGNORE, T5EncoderModel, t5Config } from '../t5/t5.ts';
import type { PromptValues } from '../tokenizers/prompt.ts';
import { openTokenizer, type TextTokenizer } from '../tokenizers/tokenizers.ts';
import { openWeights } from '../weights/open_weights.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { checkedPart, DIFFUSERS, decodeImage, type LatentDecoder, noiseShape, openDecoder } from './parts.ts';
import type { PipelineOptions, TextToImagePipeline } from './pipeline.ts';

const PROMPT_IDS = 'generator.prompt_ids';
const PROMPT_MASK = 'generator.prompt_mask';

/** diffusers' max_sequence_length, whatever the tokenizer says. */
const TOKENS = 120;

/** Where PixArt-α DMD was distilled to start; no file says so. */
const TIMESTEP = 400;

/** The class as diffusers has it today, and as published checkpoints name it. */
const TRANSFORMERS = ['PixArtTransformer2DModel', 'Transformer2DModel'] as const;

interface Parts {
  readonly tokenizer: TextTokenizer;
  readonly text_encoder: T5EncoderModel;
  readonly transformer: PixArtTransformer2DModel;
  readonly vae: LatentDecoder;
  readonly scheduler: OneStep;
  readonly weights: readonly WeightStore[];
  readonly dtype: ComputeDType;
}

export class PixArtAlphaPipeline implements TextToImagePipeline {
  readonly tokenizer: TextTokenizer;
  readonly text_encoder: T5EncoderModel;
  readonly transformer: PixArtTransformer2DModel;
  readonly vae: LatentDecoder;
  readonly scheduler: OneStep;
  readonly weights: readonly WeightStore[];
  readonly #dtype: ComputeDType;
  readonly #ids: Tensor;
  readonly #mask: Tensor;

  private constructor(graph: Graph, parts: Parts) {
    this.tokenizer = parts.tokenizer;
    this.text_encoder = parts.text_encoder;
    this.transformer = parts.transformer;
    this.vae = parts.vae;
    this.scheduler = parts.scheduler;
    this.weights = parts.weights;
    this.#dtype = parts.dtype;
    this.#ids = graph.input(PROMPT_IDS, [1, TOKENS], 'prompt', 'i32');
    this.#mask = graph.input(PROMPT_MASK, [1, TOKENS], 'prompt');
  }

  /**
   * Reads configs and the weights' headers, and declares weights and prompt as inputs of `graph`.
   * @throws Error, one sentence with file and key or tensor, for what is missing, malformed or not supported yet.
   */
  static async open(
    graph: Graph,
    files: ModelFiles,
    index: Config,
    { timestep = TIMESTEP, scheduler, dtype = 'f32' }: PipelineOptions,
  ): Promise<PixArtAlphaPipeline> {
    const storage = weightStorage(dtype);
    const text = subfolder(files, checkedPart(index, 'text_encoder', ['T5EncoderModel']).folder);
    const folder = subfolder(files, checkedPart(index, 'transformer', TRANSFORMERS).folder);
    const textConfig = t5Config(await readConfig(text));
    const config = await readConfig(folder);
    const transformerConfig = readPixArtTransformer2DConfig(config);
    if (transformerConfig.caption_channels !== textConfig.d_model) {
      const { caption_channels } = transformerConfig;
      config.fail(
        'caption_channels',
        `is ${caption_channels}, but the text encoder's d_model is ${textConfig.d_model}`,
      );
    }
    const textWeights = await openWeights(graph, text, 'model', { name: 'text_encoder', ignore: T5_IGNORE, storage });
    const ownWeights = await openWeights(graph, folder, DIFFUSERS, {
      name: 'transformer',
      ignore: PIXART_IGNORE,
      storage,
    });
    const vae = await openDecoder(graph, files, index, dtype);
    const pipeline = new PixArtAlphaPipeline(graph, {
      tokenizer: await openTokenizer(subfolder(files, 'tokenizer')),
      text_encoder: new T5EncoderModel(textWeights, textConfig),
      transformer: new PixArtTransformer2DModel(ownWeights, transformerConfig),
      vae: vae.decoder,
      scheduler: oneStepOf(await readConfig(files, 'scheduler/scheduler_config.json'), timestep, scheduler),
      weights: [textWeights, ownWeights, vae.weights],
      dtype,
    });
    for (const store of pipeline.weights) {
      store.assertAllUsed();
    }
    return pipeline;
  }

  latentShape(height = this.#nativeSize, width = this.#nativeSize): Shape {
    const { in_channels, patch_size } = this.transformer.config;
    const [n = 1, , rows = 0, columns = 0] = noiseShape(1, this.vae.scale * patch_size, height, width);
    return [n, in_channels, rows * patch_size, columns * patch_size];
  }

  get #nativeSize(): number {
    return this.transformer.config.sample_size * this.vae.scale;
  }

  /** The text as diffusers prepares it without `clean_caption`: lower case, nothing around it. */
  promptValues(prompt: string): PromptValues {
    const { ids, mask } = this.tokenizer.encode(prompt.toLowerCase().trim(), TOKENS);
    return new Map<string, Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>>([
      [PROMPT_IDS, ids],
      [PROMPT_MASK, mask],
    ]);
  }

  /** What the transformer attends to, [1,T,d_model]. */
  encodePrompt(): Tensor {
    return this.text_encoder.forward(this.#ids, this.#mask);
  }

  generate(latents: Tensor): Tensor {
    return decodeImage(this.vae, this.denoise(transpose(latents, [0, 2, 3, 1])), this.#dtype);
  }

  /** The denoised latents, unit variance: z [N,h,w,C] → [N,h,w,C]. */
  denoise(z: Tensor): Tensor {
    const { scheduler } = this;
    const conditioning = {
      timestep: scheduler.timestep,
      caption: this.encodePrompt(),
      captionMask: this.#mask,
      height: z.dim(1) * this.vae.scale,
      width: z.dim(2) * this.vae.scale,
    };
    const prediction = storedAs(this.#dtype, modelInput(scheduler, z), (x) => {
      // Where the variance was learned too, it comes behind.
      return slice(this.transformer.forward(x, conditioning), [0, 0, 0, 0], z.shape);
    });
    return predictX0(scheduler, z, prediction);
  }
}
