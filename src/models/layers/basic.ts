/**
 * PyTorch's basic layers over checkpoint tensors. Each takes the store of its own submodule. Channels come last.
 * Source: torch/nn/modules/linear.py: Linear; conv.py: Conv2d; normalization.py: GroupNorm, LayerNorm.
 */
import { conv2d, gelu, groupNorm, layerNorm, linear } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import type { Weights } from '../weights/weights.ts';

type Activation = 'silu' | 'gelu' | 'quick_gelu' | 'relu';

/** The operations that a matmul or convolution applies to its result before it stores it: `activation(y + bias + residual)`. */
export interface Epilogue {
  readonly residual?: Tensor;
  readonly activation?: Activation;
}

export class Linear {
  /** [O,I], or [R,O,I] from `StackedWeights`. */
  readonly weight: Tensor;
  readonly bias: Tensor | null;

  /** @param packed submodules of `outFeatures` each that run as one layer; their outputs are concatenated */
  constructor(w: Weights, inFeatures: number, outFeatures: number, bias = true, packed: readonly string[] = []) {
    const get = (name: string, shape: Shape): Tensor => {
      const names = packed.map((module) => `${module}.${name}`);
      return packed.length === 0 ? w.get(name, shape) : w.getPacked(names, shape);
    };
    this.weight = get('weight', [outFeatures, inFeatures]);
    this.bias = bias ? get('bias', [outFeatures]) : null;
  }

  /** [...,I] → [...,O] */
  forward(x: Tensor, epilogue: Epilogue = {}): Tensor {
    return linear(x, this.weight, this.bias, epilogue);
  }
}

export const ACTIVATIONS = ['quick_gelu', 'gelu', 'gelu_new', 'gelu_pytorch_tanh', 'relu', 'silu'] as const;
/** `hidden_act` as transformers spells it. */
export type HiddenAct = (typeof ACTIVATIONS)[number];

/** Runs `layer` and the activation after it. */
export function activated(layer: Linear, x: Tensor, act: HiddenAct): Tensor {
  return act === 'gelu_new' || act === 'gelu_pytorch_tanh'
    ? gelu(layer.forward(x), 'tanh')
    : layer.forward(x, { activation: act });
}

interface Conv2dOptions {
  readonly stride?: number;
  /** Default: (kernel - 1) / 2, which keeps the size at stride 1. */
  readonly padding?: number;
  readonly bias?: boolean;
}

export class Conv2d {
  readonly weight: Tensor;
  readonly bias: Tensor | null;
  readonly #stride: number;
  readonly #padding: number;

  constructor(w: Weights, inChannels: number, outChannels: number, kernel: number, options: Conv2dOptions = {}) {
    this.weight = w.get('weight', [outChannels, inChannels, kernel, kernel]);
    this.bias = (options.bias ?? true) ? w.get('bias', [outChannels]) : null;
    this.#stride = options.stride ?? 1;
    this.#padding = options.padding ?? (kernel - 1) / 2;
  }

  /** [N,H,W,I] → [N,H',W',O]. `bias` replaces the layer's own. */
  forward(x: Tensor, epilogue: Epilogue = {}, bias: Tensor | null = this.bias): Tensor {
    return conv2d(x, this.weight, bias, { ...epilogue, stride: this.#stride, padding: this.#padding });
  }
}

export class GroupNorm {
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly #groups: number;
  readonly #eps: number;

  constructor(w: Weights, groups: number, channels: number, eps: number) {
    this.weight = w.get('weight', [channels]);
    this.bias = w.get('bias', [channels]);
    this.#groups = groups;
    this.#eps = eps;
  }

  /** [N,H,W,C] → the same shape. `silu` applies SiLU to the result. */
  forward(x: Tensor, silu = false): Tensor {
    return groupNorm(x, this.weight, this.bias, { groups: this.#groups, eps: this.#eps, silu });
  }
}

export class LayerNorm {
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly #eps: number;

  constructor(w: Weights, features: number, eps = 1e-5) {
    this.weight = w.get('weight', [features]);
    this.bias = w.get('bias', [features]);
    this.#eps = eps;
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight, this.bias, this.#eps);
  }
}
