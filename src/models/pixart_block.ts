/** A transformer block of PixArt: diffusers' BasicTransformerBlock with norm_type "ada_norm_single". */
import { add, affine, gelu, layerNorm, mul } from '../kernels/index.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { at } from '../tensor/types.ts';
import { rowsOf } from './ada_norm_single.ts';
import { Attention } from './attention_block.ts';
import { Linear } from './layers.ts';
import type { WeightStore } from './weights.ts';

export interface PixArtBlockConfig {
  readonly num_attention_heads: number;
  /** num_attention_heads · attention_head_dim */
  readonly inner_dim: number;
  readonly norm_eps: number;
}

/** LayerNorm(x)·(1 + scale) + shift, shift and scale [D]: the norm has no gain of its own, so these are its. */
export function modulated(x: Tensor, shift: Tensor, scale: Tensor, eps: number): Tensor {
  return layerNorm(x, affine(scale, 1, 1), shift, eps);
}

/** `ff` with activation_fn "gelu-approximate": net.0.proj, GELU by tanh, net.2. */
class FeedForward {
  readonly proj: Linear;
  readonly out: Linear;

  constructor(w: WeightStore, dim: number) {
    this.proj = new Linear(w.sub('net', 0, 'proj'), dim, 4 * dim);
    this.out = new Linear(w.sub('net', 2), 4 * dim, dim);
  }

  forward(x: Tensor): Tensor {
    return this.out.forward(gelu(this.proj.forward(x), 'tanh'));
  }
}

export class PixArtBlock {
  readonly #w: WeightStore;
  readonly #eps: number;
  readonly scale_shift_table: Tensor;
  readonly attn1: Attention;
  readonly attn2: Attention;
  readonly ff: FeedForward;

  constructor(w: WeightStore, { inner_dim: dim, num_attention_heads: heads, norm_eps }: PixArtBlockConfig) {
    const attention = { query_dim: dim, cross_attention_dim: dim, heads, bias: true };
    this.#w = w;
    this.#eps = norm_eps;
    this.scale_shift_table = w.get('scale_shift_table', [6, dim]);
    this.attn1 = new Attention(w.sub('attn1'), attention);
    this.attn2 = new Attention(w.sub('attn2'), attention);
    this.ff = new FeedForward(w.sub('ff'), dim);
  }

  /** x [B,T,D], caption [B,S,D], keyMask f32 [B,S] (1 = a token), modulation f32 [6,D] → [B,T,D] */
  forward(x: Tensor, caption: Tensor, keyMask: Tensor, modulation: Tensor): Tensor {
    return this.#w.scope(() => {
      const rows = rowsOf(add(modulation, this.scale_shift_table));
      const normed = modulated(x, at(rows, 0), at(rows, 1), this.#eps);
      const selfMixed = add(mul(this.attn1.forward(normed, normed), at(rows, 2)), x);
      // No norm in front of the cross-attention: so it was trained.
      const crossMixed = this.attn2.forward(selfMixed, caption, { keyMask, residual: selfMixed });
      const renormed = modulated(crossMixed, at(rows, 3), at(rows, 4), this.#eps);
      return add(mul(this.ff.forward(renormed), at(rows, 5)), crossMixed);
    });
  }
}
