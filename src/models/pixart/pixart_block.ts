/**
 * A transformer block of PixArt.
 * Source: diffusers/models/attention.py: BasicTransformerBlock, with norm_type "ada_norm_single".
 */
import { add, cast, mul } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { at } from '../../tensor/types.ts';
import { modulated } from '../layers/ada_layer_norm.ts';
import { CrossAttention, GeluFeedForward, SelfAttention } from '../layers/attention_block.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { rowsOf } from './ada_norm_single.ts';

interface PixArtBlockConfig {
  readonly num_attention_heads: number;
  /** num_attention_heads · attention_head_dim */
  readonly inner_dim: number;
  readonly norm_eps: number;
}

export class PixArtBlock {
  readonly #w: WeightStore;
  readonly #eps: number;
  readonly scale_shift_table: Tensor;
  readonly attn1: SelfAttention;
  readonly attn2: CrossAttention;
  readonly ff: GeluFeedForward;

  constructor(w: WeightStore, { inner_dim: dim, num_attention_heads: heads, norm_eps }: PixArtBlockConfig) {
    const attention = { dim, heads, bias: true };
    this.#w = w;
    this.#eps = norm_eps;
    this.scale_shift_table = w.get('scale_shift_table', [6, dim]);
    this.attn1 = new SelfAttention(w.sub('attn1'), attention);
    this.attn2 = new CrossAttention(w.sub('attn2'), attention, dim);
    this.ff = new GeluFeedForward(w.sub('ff'), dim);
  }

  /** x [B,T,D], caption [B,S,D], keyMask f32 [B,S] (1 = token, 0 = padding), modulation f32 [6,D] → [B,T,D] */
  forward(x: Tensor, caption: Tensor, keyMask: Tensor, modulation: Tensor): Tensor {
    return this.#w.scope(() => {
      // 1. This block's shifts, scales and gates.
      const rows = rowsOf(add(modulation, cast(this.scale_shift_table, 'f32')));
      // 2. Self-attention.
      const normed = modulated(x, at(rows, 0), at(rows, 1), this.#eps);
      const afterSelf = add(mul(this.attn1.forward(normed), at(rows, 2)), x);
      // 3. Cross-attention to the text. The model was trained without a norm before it.
      const afterCross = this.attn2.forward(afterSelf, caption, { keyMask, residual: afterSelf });
      // 4. Feed-forward.
      const renormed = modulated(afterCross, at(rows, 3), at(rows, 4), this.#eps);
      return add(mul(this.ff.forward(renormed), at(rows, 5)), afterCross);
    });
  }
}
