/**
 * The two text encoders of SDXL. Source: `encode_prompt` in
 * diffusers/pipelines/stable_diffusion_xl/pipeline_stable_diffusion_xl.py: StableDiffusionXLPipeline.
 */
import { concat } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import { at, sizeOf } from '../../tensor/types.ts';
import { CLIPTextModel, clipTextConfig, eosMaskOf, warnUnmasked } from '../clip/clip_text.ts';
import { CLIPTextModelWithProjection, clipTextWithProjectionConfig } from '../clip/clip_text_with_projection.ts';
import type { OnCut, PromptValues, TextTokenizer } from '../tokenizers/tokenizers.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import type { PipelineFolder } from './pipeline_folder.ts';

const PROMPT_IDS = 'generator.prompt_ids';
const PROMPT_2_IDS = 'generator.prompt_2_ids';
const PROMPT_2_EOS = 'generator.prompt_2_eos';

interface EncodedPrompt {
  /** [B,T,E]: the outputs of both encoders' last layers but one, side by side, without a final layer norm. */
  readonly promptEmbeds: Tensor;
  /** [B,projection_dim]: the second encoder's pooled and projected text. */
  readonly textEmbeds: Tensor;
}

export class SDXLTextEncoders {
  readonly tokenizer: TextTokenizer;
  readonly tokenizer_2: TextTokenizer;
  readonly text_encoder: CLIPTextModel;
  readonly text_encoder_2: CLIPTextModelWithProjection;
  readonly weights: readonly WeightStore[];
  readonly #ids: Tensor;
  readonly #ids2: Tensor;
  readonly #eos2: Tensor;

  constructor(
    { graph, batch }: Pick<PipelineFolder, 'graph' | 'batch'>,
    tokenizers: readonly [TextTokenizer, TextTokenizer],
    encoders: readonly [CLIPTextModel, CLIPTextModelWithProjection],
    weights: readonly WeightStore[],
  ) {
    [this.tokenizer, this.tokenizer_2] = tokenizers;
    [this.text_encoder, this.text_encoder_2] = encoders;
    this.weights = weights;
    // The features of both encoders are concatenated token by token, so both have the same number of tokens.
    const positions = encoders.map((encoder) => encoder.config.max_position_embeddings);
    const tokens = Math.min(...positions, ...tokenizers.flatMap(({ maxLength }) => maxLength ?? []));
    this.tokenizer.assertFits(this.text_encoder.config.vocab_size, 'vocab_size of text_encoder');
    this.tokenizer_2.assertFits(this.text_encoder_2.config.vocab_size, 'vocab_size of text_encoder_2');
    this.#ids = graph.input(PROMPT_IDS, [batch, tokens], 'prompt', 'i32');
    this.#ids2 = graph.input(PROMPT_2_IDS, [batch, tokens], 'prompt', 'i32');
    this.#eos2 = graph.input(PROMPT_2_EOS, [batch, tokens], 'prompt');
  }

  promptValues(prompt: string, onCut?: OnCut): PromptValues {
    const tokens = this.#ids.dim(1);
    const first = this.tokenizer.encode(prompt, tokens, 'text_encoder', onCut).ids;
    const second = this.tokenizer_2.encode(prompt, tokens, 'text_encoder_2', onCut).ids;
    return new Map<string, Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>>([
      [PROMPT_IDS, first],
      [PROMPT_2_IDS, second],
      [PROMPT_2_EOS, eosMaskOf(second, this.text_encoder_2.config.eos_token_id)],
    ]);
  }

  encode(): EncodedPrompt {
    return this.#encode(this.#ids, this.#ids2, this.#eos2);
  }

  /**
   * Encodes the empty prompt. It is a constant of the graph, so it is computed once, at load.
   * @param zeros diffusers' `force_zeros_for_empty_prompt`: zeros take the place of the features
   */
  encodeEmpty(zeros: boolean): EncodedPrompt {
    const { graph } = this.#ids;
    const tokens = this.#ids.dim(1);
    const constant = (shape: Shape, values: ArrayLike<number> = new Float32Array(sizeOf(shape))): Tensor =>
      graph.constant(values, shape);
    const { hidden_size } = this.text_encoder.config;
    const { hidden_size: hidden_size_2, projection_dim, eos_token_id } = this.text_encoder_2.config;
    if (zeros) {
      const promptEmbeds = constant([1, tokens, hidden_size + hidden_size_2]);
      return { promptEmbeds, textEmbeds: constant([1, projection_dim]) };
    }
    const [first, second] = [this.tokenizer, this.tokenizer_2].map((tokenizer) => tokenizer.encode('', tokens).ids);
    const ids = (values: ArrayLike<number> = []): Tensor => graph.constant(values, [1, tokens], 'i32');
    return this.#encode(ids(first), ids(second), constant([1, tokens], eosMaskOf(second ?? [], eos_token_id)));
  }

  #encode(ids: Tensor, ids2: Tensor, eos2: Tensor): EncodedPrompt {
    const first = this.text_encoder.forward(ids);
    const second = this.text_encoder_2.forward(ids2, eos2);
    const states = [first, second].map(({ hiddenStates }) => at(hiddenStates, hiddenStates.length - 2));
    return { promptEmbeds: concat(states, 2), textEmbeds: second.textEmbeds };
  }
}

/** @throws Error, one sentence with file and key or tensor, for what is missing, malformed or not supported yet */
export async function openSDXLTextEncoders(folder: PipelineFolder): Promise<SDXLTextEncoders> {
  const first = await folder.component('text_encoder', ['CLIPTextModel']);
  const second = await folder.component('text_encoder_2', ['CLIPTextModelWithProjection']);
  const config = clipTextConfig(first.config);
  const config2 = clipTextWithProjectionConfig(second.config);
  warnUnmasked(first.config, config);
  warnUnmasked(second.config, config2);
  const weights = await folder.weights(first, 'transformers');
  const weights2 = await folder.weights(second, 'transformers');
  const tokenizer = await folder.tokenizer('tokenizer');
  const tokenizer2 = await folder.tokenizer('tokenizer_2');
  return new SDXLTextEncoders(
    folder,
    [tokenizer, tokenizer2],
    [new CLIPTextModel(weights, config), new CLIPTextModelWithProjection(weights2, config2)],
    [weights, weights2],
  );
}
