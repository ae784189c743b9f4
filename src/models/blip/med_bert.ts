/** BLIP's text encoder: BERT with cross-attention to an image. Source: BLIP/models/med.py: BertModel (github.com/salesforce/BLIP). */
import { broadcastTo, crossAttention, embedding, reshape, selfAttention } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type Config, EPS_RANGE, inertKeys, MOST_LAYERS } from '../checkpoint/config.ts';
import { assertTransformers, TRANSFORMERS_KEYS } from '../checkpoint/library_keys.ts';
import { ACTIVATIONS, activated, type HiddenAct, LayerNorm, Linear } from '../layers/basic.ts';
import { addPositions, firstToken } from '../layers/tokens.ts';
import type { WeightStore } from '../weights/weight_store.ts';

/** The keys of BLIP's med_config.json: a BertConfig with cross-attention. */
export interface MedConfig {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly intermediate_size: number;
  readonly hidden_act: HiddenAct;
  readonly layer_norm_eps: number;
  readonly max_position_embeddings: number;
  readonly encoder_width: number;
}

/** BLIP's BERT has no token types. */
const INERT = inertKeys([...TRANSFORMERS_KEYS], ['type_vocab_size']);

/** Reads med_config.json. Absent keys have the values of ImageReward-v1.0: BERT-base. */
export function medConfig(config: Config): MedConfig {
  assertTransformers(config, ['bert']);
  config.allowOnly({ add_cross_attention: [true], position_embedding_type: ['absolute'] });
  const read: MedConfig = {
    vocab_size: config.count('vocab_size', 30524),
    hidden_size: config.count('hidden_size', 768),
    num_hidden_layers: config.count('num_hidden_layers', 12, MOST_LAYERS),
    num_attention_heads: config.count('num_attention_heads', 12),
    intermediate_size: config.count('intermediate_size', 3072),
    hidden_act: config.oneOf('hidden_act', ACTIVATIONS, 'gelu'),
    layer_norm_eps: config.number('layer_norm_eps', 1e-12, EPS_RANGE),
    max_position_embeddings: config.count('max_position_embeddings', 512),
    encoder_width: config.count('encoder_width', 1024),
  };
  config.assertAllKnown(INERT);
  return read;
}

/** BertAttention: `self.{query,key,value}`, then `output.{dense,LayerNorm}` on the sum with the input. */
class BertAttention {
  readonly #heads: number;
  readonly qkv: Linear | null;
  readonly query: Linear;
  /** `key` and `value` as one layer. */
  readonly kv: Linear;
  readonly dense: Linear;
  readonly LayerNorm: LayerNorm;

  /** @param contextSize width of the context of cross-attention; null for self-attention */
  constructor(w: WeightStore, config: MedConfig, contextSize: number | null) {
    const size = config.hidden_size;
    const own = w.sub('self');
    this.#heads = config.num_attention_heads;
    this.qkv = contextSize === null ? new Linear(own, size, size, true, ['query', 'key', 'value']) : null;
    this.query = new Linear(own.sub('query'), size, size);
    this.kv = new Linear(own, contextSize ?? size, size, true, ['key', 'value']);
    this.dense = new Linear(w.sub('output', 'dense'), size, size);
    this.LayerNorm = new LayerNorm(w.sub('output', 'LayerNorm'), size, config.layer_norm_eps);
  }

  /** x [B,T,C] attends to context [B,S,D], which may be x. keyMask is f32 [B,S]: 1 = visible, 0 = masked. */
  forward(x: Tensor, context: Tensor, keyMask?: Tensor): Tensor {
    const options = { heads: this.#heads, ...(keyMask ? { keyMask } : {}) };
    const attended =
      this.qkv && x === context
        ? selfAttention(this.qkv.forward(x), options)
        : crossAttention(this.query.forward(x), this.kv.forward(context), options);
    return this.LayerNorm.forward(this.dense.forward(attended, { residual: x }));
  }
}

/** Repeats the one prompt for every image of the batch. */
function toBatch(x: Tensor, batch: number): Tensor {
  return x.dim(0) === batch ? x : broadcastTo(x, [batch, ...x.shape.slice(1)]);
}

class BertLayer {
  readonly #act: HiddenAct;
  readonly attention: BertAttention;
  readonly crossattention: BertAttention;
  readonly intermediate: Linear;
  readonly output: Linear;
  readonly LayerNorm: LayerNorm;

  constructor(w: WeightStore, config: MedConfig) {
    const { hidden_size: size, intermediate_size: inner } = config;
    this.#act = config.hidden_act;
    this.attention = new BertAttention(w.sub('attention'), config, null);
    this.crossattention = new BertAttention(w.sub('crossattention'), config, config.encoder_width);
    this.intermediate = new Linear(w.sub('intermediate', 'dense'), size, inner);
    this.output = new Linear(w.sub('output', 'dense'), inner, size);
    this.LayerNorm = new LayerNorm(w.sub('output', 'LayerNorm'), size, config.layer_norm_eps);
  }

  /** [B,T,C] → [N,T,C] for N images. With `onlyFirst` → [N,1,C]: the first token's output, which still attends to all tokens. */
  forward(x: Tensor, keyMask: Tensor, image: Tensor, onlyFirst: boolean): Tensor {
    // 1. Self-attention.
    const own = this.attention.forward(onlyFirst ? firstToken(x) : x, x, keyMask);
    // 2. Cross-attention to the image.
    const attended = toBatch(own, image.dim(0));
    const crossed = this.crossattention.forward(attended, image);
    // 3. Feed-forward.
    return this.LayerNorm.forward(
      this.output.forward(activated(this.intermediate, crossed, this.#act), { residual: crossed }),
    );
  }
}

/** BertModel with add_pooling_layer=False in mode 'multimodal', reduced to the output that rewards use: the [CLS] token. */
export class MedBertModel {
  readonly config: MedConfig;
  readonly word_embeddings: Tensor;
  readonly position_embeddings: Tensor;
  readonly LayerNorm: LayerNorm;
  readonly layer: BertLayer[];

  constructor(w: WeightStore, config: MedConfig) {
    const size = config.hidden_size;
    this.config = config;
    this.word_embeddings = w.get('embeddings.word_embeddings.weight', [config.vocab_size, size]);
    this.position_embeddings = w.get('embeddings.position_embeddings.weight', [config.max_position_embeddings, size]);
    this.LayerNorm = new LayerNorm(w.sub('embeddings', 'LayerNorm'), size, config.layer_norm_eps);
    this.layer = Array.from(
      { length: config.num_hidden_layers },
      (_, i) => new BertLayer(w.sub('encoder', 'layer', i), config),
    );
  }

  /**
   * ids i32 [B,T], mask f32 [B,T] (1 = token, 0 = padding), image tokens [N,S,encoder_width] (B is 1 or N) →
   * last_hidden_state at the first token, [N,C]. Everything before the first cross-attention is independent of the image,
   * so it runs once per prompt.
   */
  firstHiddenState(ids: Tensor, mask: Tensor, image: Tensor): Tensor {
    // 1. Tokens, positions, norm. 2. Layers; the last one computes the first token alone.
    const embedded = addPositions(embedding(this.word_embeddings, ids), this.position_embeddings);
    const last = this.layer.length - 1;
    const state = this.layer.reduce(
      (x, layer, i) => x.graph.scope(`layer.${i}`, () => layer.forward(x, toBatch(mask, x.dim(0)), image, i === last)),
      this.LayerNorm.forward(embedded),
    );
    return reshape(state, [state.dim(0), this.config.hidden_size]);
  }
}
