/** The activations that transformers' configurations name. */
import { gelu } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Linear } from './basic.ts';

export const ACTIVATIONS = ['quick_gelu', 'gelu', 'gelu_new', 'gelu_pytorch_tanh', 'relu', 'silu'] as const;
/** `hidden_act` as transformers spells it. */
export type HiddenAct = (typeof ACTIVATIONS)[number];

/** `layer` and the activation after it. */
export function activated(layer: Linear, x: Tensor, act: HiddenAct): Tensor {
  return act === 'gelu_new' || act === 'gelu_pytorch_tanh'
    ? gelu(layer.forward(x), 'tanh')
    : layer.forward(x, { activation: act });
}
