/** diffusers' StableDiffusionPipeline in one step (SD-Turbo) or several (SD 2.1). */
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import { CLIPTextModel, clipTextConfig } from '../clip_text.ts';
import { type Config, readConfig } from '../config.ts';
import { type ModelFiles, subfolder } from '../files.ts';
import { type ComputeDType, storedAs, weightStorage } from '../half_precision.ts';
import type { PromptValues } from '../prompt.ts';
import { modelInput, predictX0, type Steps } from '../schedulers/index.ts';
import { openTokenizer, type TextTokenizer } from '../tokenizers.ts';
import { readUNet2DConditionConfig, UNet2DConditionModel } from '../unet_2d_condition.ts';
import { openWeights, type WeightStore } from '../weights.ts';
import {
  assertSameWidth,
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

const PROMPT_IDS = 'generator.prompt_ids';

interface Parts {
  readonly tokenizer: TextTokenizer;
  readonly text_encoder: CLIPTextModel;
  readonly unet: UNet2DConditionModel;
  readonly vae: LatentDecoder;
  readonly scheduler: PipelineScheduler;
  readonly weights: readonly WeightStore[];
  readonly dtype: ComputeDType;
}

export class StableDiffusionPipeline implements StepwisePipeline {
  readonly defaults = { steps: 50, guidance: 7.5 };
  readonly tokenizer: TextTokenizer;
  readonly text_encoder: CLIPTextModel;
  readonly unet: UNet2DConditionModel;
  readonly vae: LatentDecoder;
  readonly scheduler: PipelineScheduler;
  readonly weights: readonly WeightStore[];
  readonly #dtype: ComputeDType;
  readonly #ids: Tensor;

  private constructor(graph: Graph, parts: Parts) {
    const { max_position_embeddings: positions } = parts.text_encoder.config;
    this.tokenizer = parts.tokenizer;
    this.text_encoder = parts.text_encoder;
    this.unet = parts.unet;
    this.vae = parts.vae;
    this.scheduler = parts.scheduler;
    this.weights = parts.weights;
    this.#dtype = parts.dtype;
    this.#ids = graph.input(
      PROMPT_IDS,
      [1, Math.min(positions, parts.tokenizer.maxLength ?? positions)],
      'prompt',
      'i32',
    );
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
  ): Promise<StableDiffusionPipeline> {
    const storage = weightStorage(dtype);
    const text = subfolder(files, checkedPart(index, 'text_encoder', ['CLIPTextModel']).folder);
    const unet = subfolder(files, checkedPart(index, 'unet', ['UNet2DConditionModel']).folder);
    const textConfig = clipTextConfig(await readConfig(text));
    const unetConfig = readUNet2DConditionConfig(await readConfig(unet));
    assertSameWidth(unet, unetConfig.cross_attention_dim, textConfig.hidden_size);
    const textWeights = await openWeights(graph, text, 'model', { name: 'text_encoder', storage });
    const unetWeights = await openWeights(graph, unet, DIFFUSERS, { name: 'unet', storage });
    const vae = await openDecoder(graph, files, index, dtype);
    const weights = [textWeights, unetWeights, vae.weights];
    const pipeline = new StableDiffusionPipeline(graph, {
      tokenizer: await openTokenizer(subfolder(files, 'tokenizer')),
      text_encoder: new CLIPTextModel(textWeights, textConfig),
      unet: new UNet2DConditionModel(unetWeights, unetConfig),
      vae: vae.decoder,
      scheduler: await PipelineScheduler.open(files, timestep, scheduler),
      weights,
      dtype,
    });
    for (const store of weights) {
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
    return new Map([[PROMPT_IDS, this.tokenizer.encode(prompt, this.#ids.dim(1)).ids]]);
  }

  /** What the UNet attends to, [1,T,E]: the last hidden state with the final layer norm. */
  encodePrompt(condition: Condition = 'prompt'): Tensor {
    const ids = condition === 'prompt' ? this.#ids : this.#emptyIds();
    return this.text_encoder.forward(ids).lastHiddenState;
  }

  /** @throws Error when the scheduler has no single step from pure noise */
  generate(latents: Tensor): Tensor {
    return decodeImage(this.vae, this.denoise(toLast(latents)), this.#dtype);
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
    return decodeImage(this.vae, toLast(latents), this.#dtype);
  }

  #unet(x: Tensor, timestep: number | Tensor, condition: Condition): Tensor {
    const context = this.encodePrompt(condition);
    return storedAs(this.#dtype, x, (stored) => this.unet.forward(stored, timestep, context));
  }

  /** Known when tracing, so that all that follows from it alone is computed once, at load. */
  #emptyIds(): Tensor {
    const { graph, shape } = this.#ids;
    return graph.constant(this.tokenizer.encode('', this.#ids.dim(1)).ids, shape, 'i32');
  }
}
