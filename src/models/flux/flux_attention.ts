/**
 * FLUX's attention: queries and keys are normalised in each head and rotated by their positions.
 * Source: diffusers/models/transformers/transformer_flux.py: FluxAttention.
 */
import { attention, concat, reshape, rmsNorm, rotaryEmbedding, slice } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { Linear } from '../layers/basic.ts';
import type { WeightStore } from '../weights/weight_store.ts';

export interface FluxSize {
  readonly heads: number;
  /** Channels of a head. */
  readonly head: number;
}

const EPS = 1e-6;

/** RMSNorm over the channels of each head. */
class HeadNorm {
  readonly weight: Tensor;
  readonly #size: FluxSize;

  constructor(w: WeightStore, size: FluxSize) {
    this.weight = w.get('weight', [size.head]);
    this.#size = size;
  }

  /** [B,T,H·D] → [B,T,H,D] */
  forward(x: Tensor): Tensor {
    const { heads, head } = this.#size;
    return rmsNorm(reshape(x, [x.dim(0), x.dim(1), heads, head]), this.weight, EPS);
  }
}

/** Rotates queries and keys by their positions and attends: q and k [B,T,H,D], v [B,T,H·D] → [B,T,H·D]. No scores are stored. */
function rotaryAttention(q: Tensor, k: Tensor, v: Tensor, rotary: Tensor): Tensor {
  const rotated = (x: Tensor): Tensor => reshape(rotaryEmbedding(x, rotary), v.shape);
  return attention(rotated(q), rotated(k), v, { heads: q.dim(2) });
}

/** Attention of single blocks: one stream, without a projection of the result. */
export class FluxSingleAttention {
  readonly to_q: Linear;
  readonly to_k: Linear;
  readonly to_v: Linear;
  readonly norm_q: HeadNorm;
  readonly norm_k: HeadNorm;

  constructor(w: WeightStore, size: FluxSize) {
    const dim = size.heads * size.head;
    this.to_q = new Linear(w.sub('to_q'), dim, dim);
    this.to_k = new Linear(w.sub('to_k'), dim, dim);
    this.to_v = new Linear(w.sub('to_v'), dim, dim);
    this.norm_q = new HeadNorm(w.sub('norm_q'), size);
    this.norm_k = new HeadNorm(w.sub('norm_k'), size);
  }

  /** x [B,T,C], rotary table [T,D] → [B,T,C] */
  forward(x: Tensor, rotary: Tensor): Tensor {
    const [q, k] = [this.norm_q.forward(this.to_q.forward(x)), this.norm_k.forward(this.to_k.forward(x))];
    return rotaryAttention(q, k, this.to_v.forward(x), rotary);
  }
}

/** Attention of double blocks: text and image tokens have their own projections, and all attend to all, text first. */
export class FluxJointAttention extends FluxSingleAttention {
  readonly add_q_proj: Linear;
  readonly add_k_proj: Linear;
  readonly add_v_proj: Linear;
  readonly norm_added_q: HeadNorm;
  readonly norm_added_k: HeadNorm;
  readonly to_out: readonly [Linear];
  readonly to_add_out: Linear;

  constructor(w: WeightStore, size: FluxSize) {
    super(w, size);
    const dim = size.heads * size.head;
    this.add_q_proj = new Linear(w.sub('add_q_proj'), dim, dim);
    this.add_k_proj = new Linear(w.sub('add_k_proj'), dim, dim);
    this.add_v_proj = new Linear(w.sub('add_v_proj'), dim, dim);
    this.norm_added_q = new HeadNorm(w.sub('norm_added_q'), size);
    this.norm_added_k = new HeadNorm(w.sub('norm_added_k'), size);
    this.to_out = [new Linear(w.sub('to_out', 0), dim, dim)];
    this.to_add_out = new Linear(w.sub('to_add_out'), dim, dim);
  }

  /** image [B,T,C], text [B,S,C], rotary table [S+T,D] → the attention's result for each */
  forwardJoint(image: Tensor, text: Tensor, rotary: Tensor): { readonly image: Tensor; readonly text: Tensor } {
    // 1. Queries, keys and values of both streams, text first.
    const joint = (textPart: Tensor, imagePart: Tensor): Tensor => concat([textPart, imagePart], 1);
    const q = joint(
      this.norm_added_q.forward(this.add_q_proj.forward(text)),
      this.norm_q.forward(this.to_q.forward(image)),
    );
    const k = joint(
      this.norm_added_k.forward(this.add_k_proj.forward(text)),
      this.norm_k.forward(this.to_k.forward(image)),
    );
    const v = joint(this.add_v_proj.forward(text), this.to_v.forward(image));
    // 2. Attention over all tokens.
    const all = rotaryAttention(q, k, v, rotary);
    // 3. Each stream's own projection.
    return {
      image: this.to_out[0].forward(slice(all, [0, text.dim(1), 0], image.shape)),
      text: this.to_add_out.forward(slice(all, [0, 0, 0], text.shape)),
    };
  }
}
