/**
 * Attention, feed-forward and transformer blocks of diffusers' UNets and transformers.
 * Source: diffusers/models/attention.py: BasicTransformerBlock, FeedForward.
 */
import { crossAttention, geglu, gelu, reshape, selfAttention } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { type Epilogue, GroupNorm, LayerNorm, Linear } from './basic.ts';

interface AttentionConfig {
  readonly dim: number;
  readonly heads: number;
  /** Whether to_q, to_k and to_v have a bias; to_out always has one. */
  readonly bias: boolean;
}

/** `attn1`: tokens attend to each other. Source: diffusers/models/attention_processor.py: Attention. */
export class SelfAttention {
  /** to_q, to_k and to_v as one layer. */
  readonly qkv: Linear;
  readonly to_out: readonly [Linear];
  readonly #heads: number;

  constructor(w: WeightStore, { dim, heads, bias }: AttentionConfig) {
    this.#heads = heads;
    this.qkv = new Linear(w, dim, dim, bias, ['to_q', 'to_k', 'to_v']);
    this.to_out = [new Linear(w.sub('to_out', 0), dim, dim)];
  }

  /** [B,T,C] → [B,T,C] */
  forward(x: Tensor, epilogue: Epilogue = {}): Tensor {
    return this.to_out[0].forward(selfAttention(this.qkv.forward(x), { heads: this.#heads }), epilogue);
  }
}

/** `attn2`: tokens attend to a context of width `contextDim`. Source: diffusers/models/attention_processor.py: Attention. */
export class CrossAttention {
  readonly to_q: Linear;
  /** to_k and to_v as one layer. */
  readonly kv: Linear;
  readonly to_out: readonly [Linear];
  readonly #heads: number;

  constructor(w: WeightStore, { dim, heads, bias }: AttentionConfig, contextDim: number) {
    this.#heads = heads;
    this.to_q = new Linear(w.sub('to_q'), dim, dim, bias);
    this.kv = new Linear(w, contextDim, dim, bias, ['to_k', 'to_v']);
    this.to_out = [new Linear(w.sub('to_out', 0), dim, dim)];
  }

  /** x [B,T,C], context [B,S,E] → [B,T,C]. keyMask is f32 [B,S]: 1 = visible, 0 = masked. */
  forward(x: Tensor, context: Tensor, { keyMask, ...epilogue }: Epilogue & { readonly keyMask?: Tensor } = {}): Tensor {
    const options = { heads: this.#heads, ...(keyMask ? { keyMask } : {}) };
    const attended = crossAttention(this.to_q.forward(x), this.kv.forward(context), options);
    return this.to_out[0].forward(attended, epilogue);
  }
}

/** `ff` with activation_fn "geglu": net.0.proj makes values and gates, net.2 projects back to `dim`. */
export class FeedForward {
  readonly proj: Linear;
  readonly out: Linear;

  constructor(w: WeightStore, dim: number) {
    const inner = 4 * dim;
    this.proj = new Linear(w.sub('net', 0, 'proj'), dim, 2 * inner);
    this.out = new Linear(w.sub('net', 2), inner, dim);
  }

  forward(x: Tensor, epilogue: Epilogue = {}): Tensor {
    return this.out.forward(geglu(this.proj.forward(x)), epilogue);
  }
}

/** `ff` with activation_fn "gelu-approximate": net.0.proj, GELU in its tanh approximation, net.2. */
export class GeluFeedForward {
  readonly proj: Linear;
  readonly out: Linear;

  constructor(w: WeightStore, dim: number) {
    const inner = 4 * dim;
    this.proj = new Linear(w.sub('net', 0, 'proj'), dim, inner);
    this.out = new Linear(w.sub('net', 2), inner, dim);
  }

  forward(x: Tensor): Tensor {
    return this.out.forward(gelu(this.proj.forward(x), 'tanh'));
  }
}

export class BasicTransformerBlock {
  readonly #w: WeightStore;
  readonly norm1: LayerNorm;
  readonly attn1: SelfAttention;
  readonly norm2: LayerNorm;
  readonly attn2: CrossAttention;
  readonly norm3: LayerNorm;
  readonly ff: FeedForward;

  constructor(w: WeightStore, dim: number, heads: number, crossAttentionDim: number) {
    const attention = { dim, heads, bias: false };
    this.#w = w;
    this.norm1 = new LayerNorm(w.sub('norm1'), dim);
    this.attn1 = new SelfAttention(w.sub('attn1'), attention);
    this.norm2 = new LayerNorm(w.sub('norm2'), dim);
    this.attn2 = new CrossAttention(w.sub('attn2'), attention, crossAttentionDim);
    this.norm3 = new LayerNorm(w.sub('norm3'), dim);
    this.ff = new FeedForward(w.sub('ff'), dim);
  }

  /** x [B,T,C], context [B,S,E] → [B,T,C] */
  forward(x: Tensor, context: Tensor): Tensor {
    return this.#w.scope(() => {
      // 1. Self-attention.
      const afterSelf = this.attn1.forward(this.norm1.forward(x), { residual: x });
      // 2. Cross-attention to the text.
      const afterCross = this.attn2.forward(this.norm2.forward(afterSelf), context, { residual: afterSelf });
      // 3. Feed-forward.
      return this.ff.forward(this.norm3.forward(afterCross), { residual: afterCross });
    });
  }
}

interface Transformer2DConfig {
  readonly channels: number;
  readonly heads: number;
  readonly layers: number;
  readonly groups: number;
  readonly cross_attention_dim: number;
}

/**
 * A stack of transformer blocks over the pixels of an image. proj_in and proj_out are 1×1 convolutions or linear
 * layers (`use_linear_projection`). With channels last both are a matmul, and the store accepts either shape of the weight.
 * Source: diffusers/models/transformers/transformer_2d.py: Transformer2DModel.
 */
export class Transformer2DModel {
  readonly #w: WeightStore;
  readonly norm: GroupNorm;
  readonly proj_in: Linear;
  readonly transformer_blocks: readonly BasicTransformerBlock[];
  readonly proj_out: Linear;

  constructor(w: WeightStore, { channels, heads, layers, groups, cross_attention_dim }: Transformer2DConfig) {
    this.#w = w;
    this.norm = new GroupNorm(w.sub('norm'), groups, channels, 1e-6);
    this.proj_in = new Linear(w.sub('proj_in'), channels, channels);
    this.transformer_blocks = Array.from({ length: layers }, (_, i) => {
      return new BasicTransformerBlock(w.sub('transformer_blocks', i), channels, heads, cross_attention_dim);
    });
    this.proj_out = new Linear(w.sub('proj_out'), channels, channels);
  }

  /** x [N,H,W,C], context [N,S,E] → [N,H,W,C] */
  forward(x: Tensor, context: Tensor): Tensor {
    return this.#w.scope(() => {
      // 1. Norm and projection, with the pixels as tokens.
      const tokens = [x.dim(0), x.dim(1) * x.dim(2), x.dim(3)];
      let hidden = this.proj_in.forward(reshape(this.norm.forward(x), tokens));
      // 2. Transformer blocks.
      for (const block of this.transformer_blocks) {
        hidden = block.forward(hidden, context);
      }
      // 3. Projection and residual.
      return reshape(this.proj_out.forward(hidden, { residual: reshape(x, tokens) }), x.shape);
    });
  }
}
