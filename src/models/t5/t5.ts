/**
 * T5's encoder; T5 v1.1 is the text encoder of PixArt and FLUX. Its activations overflow f16, so they must stay f32.
 * Source: transformers/models/t5/modeling_t5.py: T5EncoderModel.
 */
import {
  add,
  affine,
  cast,
  gelu,
  matmul,
  mul,
  relu,
  reshape,
  rmsNorm,
  softmax,
  transpose,
} from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type Config, EPS_RANGE, inertKeys, MOST_LAYERS } from '../checkpoint/config.ts';
import { assertTransformers, TRANSFORMERS_KEYS } from '../checkpoint/library_keys.ts';
import { Linear } from '../layers/basic.ts';
import { LargeEmbedding } from '../layers/large_embedding.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { RelativeAttentionBias } from './relative_attention_bias.ts';

/** The keys of config.json that the encoder reads. */
interface T5Config {
  readonly vocab_size: number;
  readonly d_model: number;
  readonly d_kv: number;
  readonly d_ff: number;
  readonly num_layers: number;
  readonly num_heads: number;
  readonly relative_attention_num_buckets: number;
  readonly relative_attention_max_distance: number;
  readonly layer_norm_epsilon: number;
  readonly feed_forward_proj: 'relu' | 'gated-gelu';
}

/** Keys of the decoder half, and sizes of training. */
const INERT = inertKeys(
  [...TRANSFORMERS_KEYS],
  ['num_decoder_layers', 'scale_decoder_outputs', 'n_positions', 'output_past', 'is_gated_act', 'dense_act_fn'],
);

/** `dense_act_fn` and `is_gated_act` as transformers derives them from `feed_forward_proj`. */
const FEED_FORWARDS = {
  relu: { dense_act_fn: ['relu'], is_gated_act: [false] },
  'gated-gelu': { dense_act_fn: ['gelu_new'], is_gated_act: [true] },
} as const;

/** Reads config.json with transformers' defaults. @throws Error naming file and key for what is malformed or not supported */
export function t5Config(config: Config): T5Config {
  assertTransformers(config, ['t5']);
  const read: T5Config = {
    vocab_size: config.count('vocab_size', 32128),
    d_model: config.count('d_model', 512),
    d_kv: config.count('d_kv', 64),
    d_ff: config.count('d_ff', 2048),
    num_layers: config.count('num_layers', 6, MOST_LAYERS),
    num_heads: config.count('num_heads', 8),
    relative_attention_num_buckets: config.count('relative_attention_num_buckets', 32),
    relative_attention_max_distance: config.count('relative_attention_max_distance', 128),
    layer_norm_epsilon: config.number('layer_norm_epsilon', 1e-6, EPS_RANGE),
    feed_forward_proj: config.oneOf('feed_forward_proj', ['relu', 'gated-gelu'], 'relu'),
  };
  config.allowOnly(FEED_FORWARDS[read.feed_forward_proj]);
  config.assertAllKnown(INERT);
  return read;
}

/** Keys that are not read: the second name of the embeddings, where a file has both, and the decoder of whole T5 models. */
export const T5_IGNORE: readonly RegExp[] = [/(^|\.)encoder\.embed_tokens\.weight$/, /(^|\.)(decoder|lm_head)\./];

/** Subtracted from the scores of masked keys, whose probability is then exactly 0. */
const MASKED = 1e9;

/** Root mean square norm: it subtracts no mean and adds no bias. */
class T5LayerNorm {
  readonly weight: Tensor;
  readonly #eps: number;

  constructor(w: WeightStore, size: number, eps: number) {
    this.weight = w.get('weight', [size]);
    this.#eps = eps;
  }

  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.weight, this.#eps);
  }
}

class T5Attention {
  readonly #config: T5Config;
  readonly q: Linear;
  readonly k: Linear;
  readonly v: Linear;
  readonly o: Linear;

  constructor(w: WeightStore, config: T5Config) {
    const inner = config.num_heads * config.d_kv;
    this.#config = config;
    this.q = new Linear(w.sub('q'), config.d_model, inner, false);
    this.k = new Linear(w.sub('k'), config.d_model, inner, false);
    this.v = new Linear(w.sub('v'), config.d_model, inner, false);
    this.o = new Linear(w.sub('o'), inner, config.d_model, false);
  }

  /** x [B,T,C] → [B,T,C]. `bias` is added to the scores and broadcasts to [B,heads,T,T]. T5 does not scale its scores. */
  forward(x: Tensor, bias: Tensor, residual: Tensor): Tensor {
    const { num_heads, d_kv } = this.#config;
    const [batch, tokens] = [x.dim(0), x.dim(1)];
    const split = (layer: Linear): Tensor =>
      transpose(reshape(layer.forward(x), [batch, tokens, num_heads, d_kv]), [0, 2, 1, 3]);
    const scores = add(matmul(split(this.q), split(this.k), { transposeB: true }), bias);
    const attended = transpose(matmul(softmax(scores), split(this.v)), [0, 2, 1, 3]);
    return this.o.forward(reshape(attended, [batch, tokens, num_heads * d_kv]), { residual });
  }
}

/** `DenseReluDense`: one inner layer `wi` (relu), or `wi_0` with a gate `wi_1` (gelu). */
class T5DenseActDense {
  readonly wi: readonly Linear[];
  readonly wo: Linear;

  constructor(w: WeightStore, config: T5Config) {
    const names = config.feed_forward_proj === 'relu' ? ['wi'] : ['wi_0', 'wi_1'];
    this.wi = names.map((name) => new Linear(w.sub(name), config.d_model, config.d_ff, false));
    this.wo = new Linear(w.sub('wo'), config.d_ff, config.d_model, false);
  }

  forward(x: Tensor, residual: Tensor): Tensor {
    const [inner = x, gate] = this.wi.map((layer) => layer.forward(x));
    return this.wo.forward(gate ? mul(gelu(inner, 'tanh'), gate) : relu(inner), { residual });
  }
}

class T5Block {
  readonly #w: WeightStore;
  readonly SelfAttention: T5Attention;
  readonly DenseReluDense: T5DenseActDense;
  readonly attention_norm: T5LayerNorm;
  readonly ff_norm: T5LayerNorm;

  constructor(w: WeightStore, config: T5Config) {
    const [attention, ff] = [w.sub('layer', 0), w.sub('layer', 1)];
    this.#w = w;
    this.SelfAttention = new T5Attention(attention.sub('SelfAttention'), config);
    this.attention_norm = new T5LayerNorm(attention.sub('layer_norm'), config.d_model, config.layer_norm_epsilon);
    this.DenseReluDense = new T5DenseActDense(ff.sub('DenseReluDense'), config);
    this.ff_norm = new T5LayerNorm(ff.sub('layer_norm'), config.d_model, config.layer_norm_epsilon);
  }

  forward(x: Tensor, bias: Tensor): Tensor {
    return this.#w.scope(() => {
      // 1. Self-attention. 2. Feed-forward.
      const attended = this.SelfAttention.forward(this.attention_norm.forward(x), bias, x);
      return this.DenseReluDense.forward(this.ff_norm.forward(attended), attended);
    });
  }
}

export class T5EncoderModel {
  readonly config: T5Config;
  readonly #w: WeightStore;
  readonly shared: LargeEmbedding;
  readonly relative_attention_bias: RelativeAttentionBias;
  readonly block: readonly T5Block[];
  readonly final_layer_norm: T5LayerNorm;

  /** Reads `encoder.*` and the embeddings, `shared.weight` or `encoder.embed_tokens.weight`. */
  constructor(w: WeightStore, config: T5Config) {
    const encoder = w.sub('encoder');
    const first = encoder.sub('block', 0, 'layer', 0, 'SelfAttention');
    const embeddings = w.has('shared.weight') ? w.sub('shared') : encoder.sub('embed_tokens');
    this.config = config;
    this.#w = encoder;
    this.shared = new LargeEmbedding(embeddings, config.vocab_size, config.d_model);
    // All blocks use the bias of the first block.
    this.relative_attention_bias = new RelativeAttentionBias(first.sub('relative_attention_bias'), config);
    this.block = Array.from({ length: config.num_layers }, (_, i) => new T5Block(encoder.sub('block', i), config));
    this.final_layer_norm = new T5LayerNorm(encoder.sub('final_layer_norm'), config.d_model, config.layer_norm_epsilon);
  }

  /**
   * Returns the last hidden state, [B,T,d_model].
   * @param ids i32 [B,T]
   * @param mask f32 [B,T]: 1 = token, 0 = padding, which no token attends to. Without it every token attends to all
   */
  forward(ids: Tensor, mask?: Tensor): Tensor {
    return this.encode(this.shared.forward(ids), mask);
  }

  /** Runs the encoder on embeddings [B,T,d_model] (transformers' `inputs_embeds`), in f32 whatever their type. */
  encode(embedded: Tensor, mask?: Tensor): Tensor {
    return this.#w.scope(() => {
      // 1. The bias of every score: position, and the mask.
      const [batch, tokens] = [embedded.dim(0), embedded.dim(1)];
      const positions = this.relative_attention_bias.forward(tokens);
      const bias = mask ? add(affine(reshape(mask, [batch, 1, 1, tokens]), MASKED, -MASKED), positions) : positions;
      // 2. Blocks. 3. Last norm.
      return this.final_layer_norm.forward(
        this.block.reduce((x, block) => block.forward(x, bias), cast(embedded, 'f32')),
      );
    });
  }
}
