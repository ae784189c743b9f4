/**
 * The pre-norm transformer that CLIP's two towers share.
 * Source: transformers/models/clip/modeling_clip.py: CLIPEncoder.
 */
import { crossAttention, selfAttention } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { at } from '../../tensor/types.ts';
import type { Config } from '../checkpoint/config.ts';
import { activated, type HiddenAct, LayerNorm, Linear } from '../layers/basic.ts';
import { firstToken } from '../layers/tokens.ts';
import type { Weights } from '../weights/weights.ts';

/** The parts that the text and the vision encoder of CLIP have in common. */
export interface CLIPEncoderConfig {
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly hidden_act: HiddenAct;
  readonly layer_norm_eps: number;
}

/** @throws Error naming file and key when the heads do not divide the width */
export function assertHeads(config: Config, { hidden_size, num_attention_heads }: CLIPEncoderConfig): void {
  if (hidden_size % num_attention_heads !== 0) {
    config.fail('num_attention_heads', `is ${num_attention_heads}, which does not divide hidden_size, ${hidden_size}`);
  }
}

class CLIPAttention {
  readonly #heads: number;
  readonly qkv: Linear;
  /** The same weights in two layers, for `forwardFirst`, where only one token needs a query. */
  readonly q_proj: Linear;
  readonly kv: Linear;
  readonly out_proj: Linear;

  constructor(w: Weights, config: CLIPEncoderConfig) {
    const size = config.hidden_size;
    this.#heads = config.num_attention_heads;
    this.qkv = new Linear(w, size, size, true, ['q_proj', 'k_proj', 'v_proj']);
    this.q_proj = new Linear(w.sub('q_proj'), size, size);
    this.kv = new Linear(w, size, size, true, ['k_proj', 'v_proj']);
    this.out_proj = new Linear(w.sub('out_proj'), size, size);
  }

  /** x [B,T,C] → [B,T,C]. `residual` has the same shape and is added. `mask` is f32 [B,T]: 1 = a token to attend to. */
  forward(x: Tensor, residual: Tensor, causal: boolean, mask?: Tensor): Tensor {
    const options = { heads: this.#heads, causal, ...(mask ? { keyMask: mask } : {}) };
    const attended = selfAttention(this.qkv.forward(x), options);
    return this.out_proj.forward(attended, { residual });
  }

  /** Runs `forward` for the first token alone, which attends to all tokens: x [B,T,C], residual [B,1,C] → [B,1,C]. */
  forwardFirst(x: Tensor, residual: Tensor): Tensor {
    const query = this.q_proj.forward(firstToken(x));
    const attended = crossAttention(query, this.kv.forward(x), { heads: this.#heads });
    return this.out_proj.forward(attended, { residual });
  }
}

class CLIPEncoderLayer {
  readonly #config: CLIPEncoderConfig;
  readonly self_attn: CLIPAttention;
  readonly layer_norm1: LayerNorm;
  readonly layer_norm2: LayerNorm;
  readonly fc1: Linear;
  readonly fc2: Linear;

  constructor(w: Weights, config: CLIPEncoderConfig) {
    const { hidden_size: size, intermediate_size: inner, layer_norm_eps: eps } = config;
    this.#config = config;
    this.self_attn = new CLIPAttention(w.sub('self_attn'), config);
    this.layer_norm1 = new LayerNorm(w.sub('layer_norm1'), size, eps);
    this.layer_norm2 = new LayerNorm(w.sub('layer_norm2'), size, eps);
    this.fc1 = new Linear(w.sub('mlp', 'fc1'), size, inner);
    this.fc2 = new Linear(w.sub('mlp', 'fc2'), inner, size);
  }

  /** [B,T,C] → [B,T,C] */
  forward(x: Tensor, causal: boolean, mask?: Tensor): Tensor {
    return this.#feedForward(this.self_attn.forward(this.layer_norm1.forward(x), x, causal, mask));
  }

  /** [B,T,C] → [B,1,C]: the first token's output, which still attends to all tokens. */
  forwardFirst(x: Tensor): Tensor {
    return this.#feedForward(this.self_attn.forwardFirst(this.layer_norm1.forward(x), firstToken(x)));
  }

  #feedForward(attended: Tensor): Tensor {
    return this.fc2.forward(activated(this.fc1, this.layer_norm2.forward(attended), this.#config.hidden_act), {
      residual: attended,
    });
  }
}

export class CLIPEncoder {
  readonly layers: CLIPEncoderLayer[];

  constructor(w: Weights, config: CLIPEncoderConfig) {
    this.layers = Array.from(
      { length: config.num_hidden_layers },
      (_, i) => new CLIPEncoderLayer(w.sub('layers', i), config),
    );
  }

  /** Returns transformers' `hidden_states`: the input, then each layer's output, all [B,T,C]. */
  forward(x: Tensor, causal: boolean, mask?: Tensor): Tensor[] {
    const states = [x];
    this.layers.forEach((layer, i) => {
      states.push(x.graph.scope(`layers.${i}`, () => layer.forward(at(states, i), causal, mask)));
    });
    return states;
  }

  /** Returns the last layer's output at the first token, [B,1,C]. That layer computes this token alone. */
  forwardFirst(x: Tensor): Tensor {
    const last = this.layers.length - 1;
    return this.layers.reduce(
      (h, layer, i) =>
        x.graph.scope(`layers.${i}`, () => (i === last ? layer.forwardFirst(h) : layer.forward(h, false))),
      x,
    );
  }
}
