/**
 * The two text encoders of FLUX: T5 for the features of each token, CLIP for one pooled vector.
 * Source: `encode_prompt` in diffusers/pipelines/flux/pipeline_flux.py: FluxPipeline.
 */
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { CLIPTextModel, clipTextConfig, eosMaskOf, warnUnmasked } from '../clip/clip_text.ts';
import { T5_IGNORE, T5EncoderModel, t5Config } from '../t5/t5.ts';
import type { OnCut, PromptValues, TextTokenizer } from '../tokenizers/tokenizers.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import type { PipelineFolder } from './pipeline_folder.ts';

const CLIP_IDS = 'generator.clip_ids';
const EOS_MASK = 'generator.eos_mask';
const T5_IDS = 'generator.t5_ids';

/** `max_sequence_length` of FLUX.1-schnell and of the reference implementation. Longer prompts are cut off. */
const T5_TOKENS = 256;

interface Components {
  readonly tokenizer: TextTokenizer;
  readonly tokenizer_2: TextTokenizer;
  readonly text_encoder: CLIPTextModel;
  readonly text_encoder_2: T5EncoderModel;
  readonly weights: readonly WeightStore[];
}

interface FluxPromptEmbeds {
  /** T5's last hidden state, [1,S,d_model]. Image tokens attend to padding too, as in training. */
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

  constructor(graph: Graph, components: Components) {
    const { max_position_embeddings: positions } = components.text_encoder.config;
    const clipTokens = Math.min(positions, components.tokenizer.maxLength ?? positions);
    this.tokenizer = components.tokenizer;
    this.tokenizer_2 = components.tokenizer_2;
    this.text_encoder = components.text_encoder;
    this.text_encoder_2 = components.text_encoder_2;
    this.weights = components.weights;
    this.tokenizer.assertFits(this.text_encoder.config.vocab_size, 'vocab_size of text_encoder');
    this.tokenizer_2.assertFits(this.text_encoder_2.config.vocab_size, 'vocab_size of text_encoder_2');
    this.#clipIds = graph.input(CLIP_IDS, [1, clipTokens], 'prompt', 'i32');
    this.#eosMask = graph.input(EOS_MASK, [1, clipTokens], 'prompt');
    const t5Tokens = Math.min(T5_TOKENS, components.tokenizer_2.maxLength ?? T5_TOKENS);
    this.#t5Ids = graph.input(T5_IDS, [1, t5Tokens], 'prompt', 'i32');
  }

  promptValues(prompt: string, onCut?: OnCut): PromptValues {
    const { ids } = this.tokenizer.encode(prompt, this.#clipIds.dim(1), 'text_encoder', onCut);
    const t5 = this.tokenizer_2.encode(prompt, this.#t5Ids.dim(1), 'text_encoder_2', onCut);
    return new Map<string, Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>>([
      [CLIP_IDS, ids],
      [EOS_MASK, eosMaskOf(ids, this.text_encoder.config.eos_token_id)],
      [T5_IDS, t5.ids],
    ]);
  }

  encode(): FluxPromptEmbeds {
    return {
      promptEmbeds: this.text_encoder_2.forward(this.#t5Ids),
      pooled: this.text_encoder.forward(this.#clipIds).pooled(this.#eosMask),
    };
  }
}

/** @throws Error naming file and key or tensor for what is missing, malformed or not supported yet */
export async function openFluxTextEncoders(folder: PipelineFolder): Promise<FluxTextEncoders> {
  const clip = await folder.component('text_encoder', ['CLIPTextModel']);
  const t5 = await folder.component('text_encoder_2', ['T5EncoderModel']);
  const clipConfig = clipTextConfig(clip.config);
  warnUnmasked(clip.config, clipConfig);
  const clipWeights = await folder.weights(clip, 'transformers');
  const t5Weights = await folder.weights(t5, 'transformers', { ignore: T5_IGNORE });
  return new FluxTextEncoders(folder.graph, {
    tokenizer: await folder.tokenizer('tokenizer'),
    tokenizer_2: await folder.tokenizer('tokenizer_2'),
    text_encoder: new CLIPTextModel(clipWeights, clipConfig),
    text_encoder_2: new T5EncoderModel(t5Weights, t5Config(t5.config)),
    weights: [clipWeights, t5Weights],
  });
}
