/**
 * CLIP's text tower, which is also the text encoder of Stable Diffusion, SDXL and FLUX.
 * Source: transformers/models/clip/modeling_clip.py: CLIPTextModel, CLIPTextTransformer.
 */
import { embedding, matmul, reshape } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { at } from '../../tensor/types.ts';
import { type Config, EPS_RANGE, inertKeys, MOST_LAYERS } from '../checkpoint/config.ts';
import { assertTransformers, TRANSFORMERS_KEYS } from '../checkpoint/library_keys.ts';
import { ACTIVATIONS, LayerNorm } from '../layers/basic.ts';
import { addPositions } from '../layers/tokens.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { assertHeads, CLIPEncoder, type CLIPEncoderConfig } from './clip_encoder.ts';

/** `text_config` of a CLIPModel. */
export interface CLIPTextConfig extends CLIPEncoderConfig {
  readonly vocab_size: number;
  readonly max_position_embeddings: number;
  readonly eos_token_id: number;
  /** Whether StableDiffusionPipeline masks padding. No other pipeline of diffusers asks for it. */
  readonly use_attention_mask: boolean;
}

/** The width of a projection, which only CLIPTextModelWithProjection has. */
const INERT = inertKeys([...TRANSFORMERS_KEYS], ['projection_dim']);

/** Returns the section that describes the text tower: a text encoder's config.json may be a whole CLIPModel's. */
export function clipTextSection(config: Config): Config {
  return config.value('model_type') === 'clip' ? config.section('text_config') : config;
}

/**
 * Reads `text_config` of a CLIPModel, or a text encoder's config.json, with transformers' defaults.
 * @throws Error naming file and key for what is malformed or not supported
 */
export function clipTextConfig(file: Config): CLIPTextConfig {
  const config = clipTextSection(file);
  assertTransformers(config, ['clip_text_model']);
  const read: CLIPTextConfig = {
    vocab_size: config.count('vocab_size', 49408),
    hidden_size: config.count('hidden_size', 512),
    intermediate_size: config.count('intermediate_size', 2048),
    num_hidden_layers: config.count('num_hidden_layers', 12, MOST_LAYERS),
    num_attention_heads: config.count('num_attention_heads', 8),
    max_position_embeddings: config.count('max_position_embeddings', 77),
    hidden_act: config.oneOf('hidden_act', ACTIVATIONS, 'quick_gelu'),
    layer_norm_eps: config.number('layer_norm_eps', 1e-5, EPS_RANGE),
    eos_token_id: config.whole('eos_token_id', 49407, [0, 2 ** 31 - 1]),
    use_attention_mask: config.boolean('use_attention_mask', false),
  };
  assertHeads(config, read);
  config.assertAllKnown(INERT);
  return read;
}

/** Tells that padding is not masked in this pipeline: in diffusers StableDiffusionPipeline alone asks for it. */
export function warnUnmasked(file: Config, { use_attention_mask }: CLIPTextConfig): void {
  if (use_attention_mask) {
    file.warn('use_attention_mask is true, which diffusers follows in a StableDiffusionPipeline alone; it is left out');
  }
}

/** The result of a text encoder. */
export interface CLIPTextOutput {
  /** [B,T,C], after the final layer norm. */
  readonly lastHiddenState: Tensor;
  /** transformers' `hidden_states`: embeddings, then every layer's output, [B,T,C], without the final layer norm. */
  readonly hiddenStates: readonly Tensor[];
  /** Returns `lastHiddenState` at the end-of-text token, [B,C]. `eosMask` is f32 [B,T] (see `eosMaskOf`). */
  pooled(eosMask: Tensor): Tensor;
}

/** CLIP's text encoder, as transformers' `CLIPTextModel`. */
export class CLIPTextModel {
  readonly config: CLIPTextConfig;
  readonly token_embedding: Tensor;
  readonly position_embedding: Tensor;
  /** @internal */
  readonly encoder: CLIPEncoder;
  /** @internal */
  readonly final_layer_norm: LayerNorm;

  /** Reads `embeddings.*`, `encoder.*`, `final_layer_norm.*`, with or without the older prefix `text_model.`. */
  constructor(w: WeightStore, config: CLIPTextConfig) {
    const root = w.has('text_model.final_layer_norm.weight') ? w.sub('text_model') : w;
    const size = config.hidden_size;
    this.config = config;
    this.token_embedding = root.get('embeddings.token_embedding.weight', [config.vocab_size, size]);
    this.position_embedding = root.get('embeddings.position_embedding.weight', [config.max_position_embeddings, size]);
    this.encoder = new CLIPEncoder(root.sub('encoder'), config);
    this.final_layer_norm = new LayerNorm(root.sub('final_layer_norm'), size, config.layer_norm_eps);
  }

  /**
   * Encodes token ids. Attention is causal, so tokens before the padding need no mask.
   * @param ids i32 [B,T], T at most the number of positions
   * @param mask f32 [B,T]: 1 = token, 0 = padding, which no token attends to (`use_attention_mask`)
   */
  forward(ids: Tensor, mask?: Tensor): CLIPTextOutput {
    // 1. Tokens and positions. 2. Causal encoder. 3. Final norm; pooling is up to the caller.
    const embedded = addPositions(embedding(this.token_embedding, ids), this.position_embedding);
    const hiddenStates = this.encoder.forward(embedded, true, mask);
    const lastHiddenState = this.final_layer_norm.forward(at(hiddenStates, hiddenStates.length - 1));
    return { lastHiddenState, hiddenStates, pooled: (eosMask) => poolAt(lastHiddenState, eosMask) };
  }
}

/** Selects one token of each sequence: x [B,T,C], mask f32 [B,T] with a single 1 in each row → [B,C]. */
function poolAt(x: Tensor, mask: Tensor): Tensor {
  const [batch, tokens, size] = [x.dim(0), x.dim(1), x.dim(2)];
  return reshape(matmul(reshape(mask, [batch, 1, tokens]), x), [batch, size]);
}

/**
 * Returns the index of the token where CLIP pools the text: the first `eosTokenId`. Configurations before transformers 4.31
 * say 2 although the token has another id; for those it is the highest id, as in transformers.
 * @throws Error when the ids have no end-of-text token; transformers would silently pool the first token
 */
export function eosPosition(ids: ArrayLike<number>, eosTokenId: number): number {
  const list = Array.from(ids);
  const position = eosTokenId === 2 ? list.indexOf(Math.max(...list)) : list.indexOf(eosTokenId);
  if (position < 0) {
    throw new Error(
      `the token ids have no end-of-text token ${eosTokenId}: tokenizer and text encoder do not belong together`,
    );
  }
  return position;
}

/** Returns the `eosMask` of `pooled` for one sequence: 1 at the end-of-text token, 0 elsewhere. */
export function eosMaskOf(ids: ArrayLike<number>, eosTokenId: number): Float32Array<ArrayBuffer> {
  const mask = new Float32Array(ids.length);
  mask[eosPosition(ids, eosTokenId)] = 1;
  return mask;
}
