/**
 * Layer norms whose scale and shift come from a conditioning vector (Peebles and Xie 2023). The vector depends on timestep
 * and prompt alone, so everything but the norm runs once per prompt.
 * Source: diffusers/models/normalization.py: AdaLayerNormZero, AdaLayerNormZeroSingle, AdaLayerNormContinuous.
 */
import { affine, layerNorm, reshape, silu, slice } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { Linear } from './basic.ts';

const EPS = 1e-6;

/** Returns LayerNorm(x)·(1 + scale) + shift over the last axis of x [...,C], with scale and shift [C]. The norm has no weights of its own. */
export function modulated(x: Tensor, shift: Tensor, scale: Tensor, eps = EPS): Tensor {
  return layerNorm(x, affine(scale, 1, 1), shift, eps);
}

/** Applies `linear` to silu(temb) and splits the result into `count` vectors [C]. */
class Modulation {
  readonly linear: Linear;
  readonly #size: number;
  readonly #count: number;

  constructor(w: WeightStore, size: number, count: number) {
    this.linear = new Linear(w.sub('linear'), size, count * size);
    this.#size = size;
    this.#count = count;
  }

  /** temb [1,C] → `count` vectors [C] */
  forward(temb: Tensor): Tensor[] {
    const size = this.#size;
    const all = this.linear.forward(silu(temb));
    return Array.from({ length: this.#count }, (_, i) => reshape(slice(all, [0, i * size], [1, size]), [size]));
  }
}

/** The normed tokens, and the vectors [C] that the block needs later: for its attention (msa) and its feed-forward (mlp). */
interface ModulatedBlock {
  readonly normed: Tensor;
  readonly gate_msa: Tensor;
  readonly shift_mlp: Tensor;
  readonly scale_mlp: Tensor;
  readonly gate_mlp: Tensor;
}

export class AdaLayerNormZero {
  readonly #modulation: Modulation;

  constructor(w: WeightStore, size: number) {
    this.#modulation = new Modulation(w, size, 6);
  }

  /** x [B,T,C], temb [1,C] */
  forward(x: Tensor, temb: Tensor): ModulatedBlock {
    const [shift = temb, scale = temb, gate_msa = temb, shift_mlp = temb, scale_mlp = temb, gate_mlp = temb] =
      this.#modulation.forward(temb);
    return { normed: modulated(x, shift, scale), gate_msa, shift_mlp, scale_mlp, gate_mlp };
  }
}

export class AdaLayerNormZeroSingle {
  readonly #modulation: Modulation;

  constructor(w: WeightStore, size: number) {
    this.#modulation = new Modulation(w, size, 3);
  }

  /** x [B,T,C], temb [1,C] → the norm [B,T,C] and the gate [C] */
  forward(x: Tensor, temb: Tensor): { readonly normed: Tensor; readonly gate: Tensor } {
    const [shift = temb, scale = temb, gate = temb] = this.#modulation.forward(temb);
    return { normed: modulated(x, shift, scale), gate };
  }
}

export class AdaLayerNormContinuous {
  readonly #modulation: Modulation;

  constructor(w: WeightStore, size: number) {
    this.#modulation = new Modulation(w, size, 2);
  }

  /** x [B,T,C], temb [1,C] → [B,T,C]. In this class's weights the scale comes before the shift. */
  forward(x: Tensor, temb: Tensor): Tensor {
    const [scale = temb, shift = temb] = this.#modulation.forward(temb);
    return modulated(x, shift, scale);
  }
}
