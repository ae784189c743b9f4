/** diffusers' StableDiffusionPipeline in one step (SD-Turbo) or several (SD 2.1). */
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type Config, readConfig } from '../checkpoint/config.ts';
import { type ModelFiles, subfolder } from '../checkpoint/files.ts';
import { CLIPTextModel, clipTextConfig } from '../clip/clip_text.ts';
import { weightStorage } from '../layers/half_precision.ts';
import type { PromptValues } from '../tokenizers/prompt.ts';
import { openTokenizer, type TextTokenizer } from '../tokenizers/tokenizers.ts';
import { readUNet2DConditionConfig, UNet2DConditionModel } from '../unet/unet_2d_condition.ts';
import { openWeights } from '../weights/open_weights.ts';
import { assertSameWidth, checkedPart, DIFFUSERS, openDecoder } from './parts.ts';
import type { Condition, PipelineOptions } from './pipeline.ts';
import { PipelineScheduler } from './scheduler.ts';
import { type UNetParts, UNetPipeline } from './unet_pipeline.ts';

const PROMPT_IDS = 'generator.prompt_ids';

interface Parts extends UNetParts {
  readonly tokenizer: TextTokenizer;
  readonly text_encoder: CLIPTextModel;
}

export class StableDiffusionPipeline extends UNetPipeline {
  readonly defaults = { steps: 50, guidance: 7.5 };
  readonly tokenizer: TextTokenizer;
  readonly text_encoder: CLIPTextModel;
  readonly #ids: Tensor;

  private constructor(graph: Graph, parts: Parts) {
    super(parts);
    const { max_position_embeddings: positions } = parts.text_encoder.config;
    this.tokenizer = parts.tokenizer;
    this.text_encoder = parts.text_encoder;
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
      decoderDtype: dtype,
    });
    for (const store of weights) {
      store.assertAllUsed();
    }
    return pipeline;
  }

  promptValues(prompt: string): PromptValues {
    return new Map([[PROMPT_IDS, this.tokenizer.encode(prompt, this.#ids.dim(1)).ids]]);
  }

  /** What the UNet attends to, [1,T,E]: the last hidden state with the final layer norm. */
  encodePrompt(condition: Condition = 'prompt'): Tensor {
    const ids = condition === 'prompt' ? this.#ids : this.#emptyIds();
    return this.text_encoder.forward(ids).lastHiddenState;
  }

  protected conditioned(_: Tensor, timestep: number | Tensor, condition: Condition): (x: Tensor) => Tensor {
    const context = this.encodePrompt(condition);
    return (x) => this.unet.forward(x, timestep, context);
  }

  /** Known when tracing, so that all that follows from it alone is computed once, at load. */
  #emptyIds(): Tensor {
    const { graph, shape } = this.#ids;
    return graph.constant(this.tokenizer.encode('', this.#ids.dim(1)).ids, shape, 'i32');
  }
}
