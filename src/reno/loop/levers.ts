/**
 * Levers: numbers of the objective and the optimiser that may change while a run is on. A graph with levers takes them as inputs where
 * the ordinary graph has constants. Each input holds the value that the constant would have, so a run in which no lever moves computes the same,
 * but for rounding: constants can be multiplied before they are rounded.
 */
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { sizeOf } from '../../tensor/types.ts';

/** The values of all levers. */
export interface Levers {
  /** The weight of each reward, by its name in the history: 0 switches it off. */
  readonly rewards: Readonly<Record<string, number>>;
  readonly lr: number;
  /** Largest 2-norm of the gradient that reaches the optimiser. */
  readonly gradClip: number;
  /** Weight of the norm regulariser. */
  readonly regWeight: number;
  /** Both optimisers keep their averages all the time; this one moves the noise. */
  readonly optim: 'sgd' | 'adam';
}

/** Levers that were moved before an iteration of a run. */
export interface LeverMove {
  /** The first iteration with these values. */
  readonly iteration: number;
  readonly levers: Levers;
}

/** The graph inputs of the levers, scalars of shape []. */
export interface LeverInputs {
  /** In the order of the rewards. */
  readonly rewards: readonly Tensor[];
  readonly lr: Tensor;
  readonly gradClip: Tensor;
  /** The two factors of the regulariser: weight/2, and weight/2·(d − 1). */
  readonly regulariser: { readonly half: Tensor; readonly scaled: Tensor };
  /** 1 where Adam moves the noise, 0 where SGD does. */
  readonly adam: Tensor;
}

const nameOf = (lever: string): string => `lever.${lever}`;

/** Declares the inputs. @param rewards the names of the rewards, in their order */
export function leverInputs(graph: Graph, rewards: readonly string[]): LeverInputs {
  const input = (lever: string): Tensor => graph.input(nameOf(lever), [], 'step');
  return {
    rewards: rewards.map((name) => input(`weight.${name}`)),
    lr: input('lr'),
    gradClip: input('grad_clip'),
    regulariser: { half: input('reg_half'), scaled: input('reg_scaled') },
    adam: input('adam'),
  };
}

/** The value of each input by its name, for noise of the shape of `latents`. */
export function leverValues(levers: Levers, latents: Tensor): [name: string, value: number][] {
  const { rewards, lr, gradClip, regWeight, optim } = levers;
  const half = regWeight / 2;
  return [
    ...Object.entries(rewards).map(([name, weight]): [string, number] => [nameOf(`weight.${name}`), weight]),
    [nameOf('lr'), lr],
    [nameOf('grad_clip'), gradClip],
    [nameOf('reg_half'), half],
    [nameOf('reg_scaled'), half * (sizeOf(latents.shape) - 1)],
    [nameOf('adam'), optim === 'adam' ? 1 : 0],
  ];
}

/** Checks levers before they reach the GPU. @throws Error, one sentence, that names the first lever with a value that it cannot have */
export function assertLevers(levers: Levers, rewards: readonly string[]): void {
  const { lr, gradClip, regWeight } = levers;
  const numbers = { lr, gradClip, regWeight, ...levers.rewards };
  for (const [name, value] of Object.entries(numbers)) {
    if (!Number.isFinite(value) || value < 0) {
      throw new Error(`the lever ${name} is ${value}: it must be a number of at least 0`);
    }
  }
  const missing = rewards.find((name) => levers.rewards[name] === undefined);
  const unknown = Object.keys(levers.rewards).find((name) => !rewards.includes(name));
  if (missing !== undefined || unknown !== undefined) {
    const fault = missing === undefined ? `${unknown} is no reward of this run` : `${missing} has no weight`;
    throw new Error(`the levers do not fit the run: ${fault}; its rewards are ${rewards.join(', ')}`);
  }
}

/** Whether two sets of levers weigh the rewards alike: only then can their totals be compared. */
export function sameWeights(a: Levers, b: Levers): boolean {
  return Object.entries(a.rewards).every(([name, weight]) => b.rewards[name] === weight);
}

/** Whether a run had other values than those of its settings at any time. */
export function haveMoved(moves: readonly LeverMove[], settings: Levers): boolean {
  return moves.some(({ levers }) => JSON.stringify(levers) !== JSON.stringify(settings));
}
