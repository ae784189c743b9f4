/** The two text encoders of FLUX: what T5 gives for each token, and CLIP's one pooled vector. */
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type Config, readConfig } from '../checkpoint/config.ts';
import { type ModelFiles, subfolder } from '../checkpoint/files.ts';
import { CLIPTextModel, clipTextConfig, eosMaskOf } from '../clip/clip_text.ts';
import { T5_IGNORE, T5EncoderModel, t5Config } from '../t5/t5.ts';
import type { PromptValues } from '../tokenizers/prompt.ts';
import { openTokenizer, type TextTokenizer } from '../tokenizers/tokenizers.ts';
import { openWeights } from '../weights/open_weights.ts';
import type { WeightOptions } from '../weights/weight_inputs.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { checkedPart } from './parts.ts';

const CLIP_IDS = 'generator.clip_ids';
const EOS_MASK = 'generator.eos_mask';
const T5_IDS = 'generator.t5_ids';

/** `max_sequence_length` of FLUX.1-schnell (and of the reference implementation); more tokens are cut off. */
const T5_TOKENS = 256;

interface Parts {
  readonly tokenizer: TextTokenizer;
  readonly tokenizer_2: TextTokenizer;
  readonly text_encoder: CLIPTextModel;
  readonly text_encoder_2: T5EncoderModel;
  readonly weights: readonly WeightStore[];
}

export interface FluxPromptEmbeds {
  /** T5's last hidden state, [1,S,d_model]. Padding is attended to, as FLUX was trained. */
  readonly promptEmbeds: Tensor;
  /** CLIP's last hidden state at the end-of-text token, after the final layer norm, [1,C]. */
  readonly pooled: Tensor;
}

export class FluxTextEncoders {
  readonly tokenizer: TextTokenizer;
  readonly tokenizer_2: TextTokenizer;
  readonly text_encoder: CLIPTextModel;
  readonly text_encoder_2: T5EncoderModel;
  readonly weights: readonly WeightStore[];
  readonly #clipIds: Tensor;
  readonly #eosMask: Tensor;
  readonly #t5Ids: Tensor;

  constructor(graph: Graph, parts: Parts) {
    const { max_position_embeddings: positions } = parts.text_encoder.config;
    const clipTokens = Math.min(positions, parts.tokenizer.maxLength ?? positions);
    this.tokenizer = parts.tokenizer;
    this.tokenizer_2 = parts.tokenizer_2;
    this.text_encoder = parts.text_encoder;
    this.text_encoder_2 = parts.text_encoder_2;
    this.weights = parts.weights;
    this.#clipIds = graph.input(CLIP_IDS, [1, clipTokens], 'prompt', 'i32');
    this.#eosMask = graph.input(EOS_MASK, [1, clipTokens], 'prompt');
    const t5Tokens = Math.min(T5_TOKENS, parts.tokenizer_2.maxLength ?? T5_TOKENS);
    this.#t5Ids = graph.input(T5_IDS, [1, t5Tokens], 'prompt', 'i32');
  }

  promptValues(prompt: string): PromptValues {
    const { ids } = this.tokenizer.encode(prompt, this.#clipIds.dim(1));
    return new Map<string, Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>>([
      [CLIP_IDS, ids],
      [EOS_MASK, eosMaskOf(ids, this.text_encoder.config.eos_token_id)],
      [T5_IDS, this.tokenizer_2.encode(prompt, this.#t5Ids.dim(1)).ids],
    ]);
  }

  encode(): FluxPromptEmbeds {
    return {
      promptEmbeds: this.text_encoder_2.forward(this.#t5Ids),
      pooled: this.text_encoder.forward(this.#clipIds).pooled(this.#eosMask),
    };
  }
}

/** @throws Error naming file and key or tensor for what is missing, malformed or not supported yet. */
export async function openFluxTextEncoders(
  graph: Graph,
  files: ModelFiles,
  index: Config,
  storage: NonNullable<WeightOptions['storage']>,
): Promise<FluxTextEncoders> {
  const clip = subfolder(files, checkedPart(index, 'text_encoder', ['CLIPTextModel']).folder);
  const t5 = subfolder(files, checkedPart(index, 'text_encoder_2', ['T5EncoderModel']).folder);
  const clipWeights = await openWeights(graph, clip, 'model', { name: 'text_encoder', storage });
  const t5Weights = await openWeights(graph, t5, 'model', { name: 'text_encoder_2', storage, ignore: T5_IGNORE });
  return new FluxTextEncoders(graph, {
    tokenizer: await openTokenizer(subfolder(files, 'tokenizer')),
    tokenizer_2: await openTokenizer(subfolder(files, 'tokenizer_2')),
    text_encoder: new CLIPTextModel(clipWeights, clipTextConfig(await readConfig(clip))),
    text_encoder_2: new T5EncoderModel(t5Weights, t5Config(await readConfig(t5))),
    weights: [clipWeights, t5Weights],
  });
}
