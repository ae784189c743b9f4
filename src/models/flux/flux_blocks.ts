/**
 * The two kinds of blocks of FLUX: double blocks with a text and an image stream, then single blocks with one stream of both.
 * Source: diffusers/models/transformers/transformer_flux.py: FluxTransformerBlock, FluxSingleTransformerBlock.
 */
import { add, clamp, concat, gelu, mul } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { AdaLayerNormZero, AdaLayerNormZeroSingle, modulated } from '../layers/ada_layer_norm.ts';
import { GeluFeedForward } from '../layers/attention_block.ts';
import { Linear } from '../layers/basic.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { FluxJointAttention, FluxSingleAttention, type FluxSize } from './flux_attention.ts';

const MLP_RATIO = 4;
const LARGEST_F16 = 65504;

/** Returns x + gate·y, with gate [C]. */
const gated = (x: Tensor, gate: Tensor, y: Tensor): Tensor => add(x, mul(y, gate));

/** Clips f16 activations to f16's range, which FLUX's exceed. diffusers clips them too. */
const withinRange = (x: Tensor): Tensor => (x.dtype === 'f16' ? clamp(x, -LARGEST_F16, LARGEST_F16) : x);

export interface Streams {
  /** [B,T,C] */
  readonly image: Tensor;
  /** [B,S,C] */
  readonly text: Tensor;
}

export class FluxTransformerBlock {
  readonly #w: WeightStore;
  readonly norm1: AdaLayerNormZero;
  readonly norm1_context: AdaLayerNormZero;
  readonly attn: FluxJointAttention;
  readonly ff: GeluFeedForward;
  readonly ff_context: GeluFeedForward;

  constructor(w: WeightStore, size: FluxSize) {
    const dim = size.heads * size.head;
    this.#w = w;
    this.norm1 = new AdaLayerNormZero(w.sub('norm1'), dim);
    this.norm1_context = new AdaLayerNormZero(w.sub('norm1_context'), dim);
    this.attn = new FluxJointAttention(w.sub('attn'), size);
    this.ff = new GeluFeedForward(w.sub('ff'), dim);
    this.ff_context = new GeluFeedForward(w.sub('ff_context'), dim);
  }

  /** temb [1,C], rotary table [S+T,D] with text first → both streams, in their shapes */
  forward({ image, text }: Streams, temb: Tensor, rotary: Tensor): Streams {
    return this.#w.scope(() => {
      // 1. Norms, and the modulation of each stream.
      const ofImage = this.norm1.forward(image, temb);
      const ofText = this.norm1_context.forward(text, temb);
      // 2. Joint attention.
      const attended = this.attn.forwardJoint(ofImage.normed, ofText.normed, rotary);
      const nextImage = gated(image, ofImage.gate_msa, attended.image);
      const nextText = gated(text, ofText.gate_msa, attended.text);
      // 3. Feed-forward of each stream; norm2 and norm2_context have no weights.
      const imageOut = this.ff.forward(modulated(nextImage, ofImage.shift_mlp, ofImage.scale_mlp));
      const textOut = this.ff_context.forward(modulated(nextText, ofText.shift_mlp, ofText.scale_mlp));
      return {
        image: gated(nextImage, ofImage.gate_mlp, imageOut),
        text: withinRange(gated(nextText, ofText.gate_mlp, textOut)),
      };
    });
  }
}

export class FluxSingleTransformerBlock {
  readonly #w: WeightStore;
  readonly norm: AdaLayerNormZeroSingle;
  readonly proj_mlp: Linear;
  readonly attn: FluxSingleAttention;
  readonly proj_out: Linear;

  constructor(w: WeightStore, size: FluxSize) {
    const dim = size.heads * size.head;
    this.#w = w;
    this.norm = new AdaLayerNormZeroSingle(w.sub('norm'), dim);
    this.proj_mlp = new Linear(w.sub('proj_mlp'), dim, MLP_RATIO * dim);
    this.attn = new FluxSingleAttention(w.sub('attn'), size);
    this.proj_out = new Linear(w.sub('proj_out'), (1 + MLP_RATIO) * dim, dim);
  }

  /** x: text and image tokens [B,S+T,C], temb [1,C], rotary table [S+T,D] → the shape of x */
  forward(x: Tensor, temb: Tensor, rotary: Tensor): Tensor {
    return this.#w.scope(() => {
      // 1. Norm. 2. Feed-forward and attention, side by side. 3. One projection of both, and the gated residual.
      const { normed, gate } = this.norm.forward(x, temb);
      const mlp = gelu(this.proj_mlp.forward(normed), 'tanh');
      const both = this.proj_out.forward(concat([this.attn.forward(normed, rotary), mlp], 2));
      return withinRange(gated(x, gate, both));
    });
  }
}
