/** The reference's optimisers as graph updates: state lives in tensors on the device, named as torch names it. */
import { add, affine, div, mul, type Operand, select, sqrt, square, sub } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import { numberShape } from '../loop/each_picture.ts';
import { scaled } from '../loop/scaled.ts';

/** `lbfgs` runs on the host (lbfgs_noise.ts), the others are traced. */
export const OPTIMIZERS = ['sgd', 'adam', 'lbfgs'] as const;
export type OptimizerName = (typeof OPTIMIZERS)[number];

/** A state that holds `value` after each step. A run fills it with `initial` first (null: the caller writes it). */
export interface StateUpdate {
  readonly state: Tensor;
  readonly value: Tensor;
  readonly initial: number | null;
}

interface OptimizerStep {
  /** The parameter after the step. */
  readonly next: Tensor;
  readonly updates: readonly StateUpdate[];
}

export interface OptimizerConfig {
  readonly name: Exclude<OptimizerName, 'lbfgs'>;
  readonly lr: Operand;
  /** SGD only. The reference uses 0.9 and Nesterov. */
  readonly momentum?: number;
  readonly nesterov?: boolean;
  /** Adam only. The reference uses 1e-2. */
  readonly eps?: number;
}

/** Traces one step of `config` on `parameter`. */
export function optimizerStep(parameter: Tensor, grad: Tensor, config: OptimizerConfig): OptimizerStep {
  const { change, updates } = (config.name === 'adam' ? adam : sgd)(parameter, grad, config);
  return { next: sub(parameter, change), updates };
}

/** Traces one step of both optimisers, of which Adam moves the parameter where `isAdam` is not 0. */
export function eitherStep(
  parameter: Tensor,
  grad: Tensor,
  isAdam: Tensor,
  config: Omit<OptimizerConfig, 'name'>,
): OptimizerStep {
  const [a, s] = [adam(parameter, grad, config), sgd(parameter, grad, config)];
  return { next: sub(parameter, select(isAdam, a.change, s.change)), updates: [...s.updates, ...a.updates] };
}

/** The change that an optimiser subtracts from the parameter, and the optimiser's state afterwards. */
interface Change {
  readonly change: Tensor;
  readonly updates: readonly StateUpdate[];
}

/** The names of the optimisers' states begin with this. */
export const OPTIMIZER_STATE = 'optimizer.';

function stateOf(like: Tensor, name: string, shape: Shape = like.shape): Tensor {
  return like.graph.input(`${OPTIMIZER_STATE}${name}`, shape, 'step');
}

/** torch.optim.SGD: buf ← m·buf + g; z ← z − lr·(g + m·buf) with Nesterov, z − lr·buf without. */
function sgd(z: Tensor, g: Tensor, { lr, momentum = 0.9, nesterov = true }: Omit<OptimizerConfig, 'name'>): Change {
  const state = stateOf(z, 'momentum_buffer');
  const buffer = add(affine(state, momentum), g);
  const direction = nesterov ? add(g, affine(buffer, momentum)) : buffer;
  return { change: scaled(direction, lr), updates: [{ state, value: buffer, initial: 0 }] };
}

/**
 * torch.optim.Adam with betas (0.9, 0.999). Each picture of a batch counts its own steps. The bias correction 1 − βᵗ is kept as the
 * same running average as the moments, of ones: 1 − βᵗ by subtraction would lose most of its f32 digits at t = 1.
 */
function adam(z: Tensor, g: Tensor, { lr, eps = 1e-2 }: Omit<OptimizerConfig, 'name'>): Change {
  const average = (name: string, beta: number, x: Tensor | null): StateUpdate => {
    const state = stateOf(z, name, x ? z.shape : numberShape(z));
    const decayed = affine(state, beta, x ? 0 : 1 - beta);
    return { state, value: x ? add(decayed, affine(x, 1 - beta)) : decayed, initial: 0 };
  };
  const mean = average('exp_avg', 0.9, g);
  const variance = average('exp_avg_sq', 0.999, square(g));
  const meanBias = average('bias_correction1', 0.9, null);
  const varianceBias = average('bias_correction2', 0.999, null);
  const denominator = affine(div(sqrt(variance.value), sqrt(varianceBias.value)), 1, eps);
  const rate = typeof lr === 'number' ? z.graph.scalar(lr) : lr;
  const change = div(mul(mean.value, div(rate, meanBias.value)), denominator);
  return { change, updates: [mean, variance, meanBias, varianceBias] };
}
