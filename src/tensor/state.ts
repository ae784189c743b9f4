/** Graph inputs that a step changes: weights in training, an optimiser's moments, the noise of ReNO. */
import type { Update } from './schedule/plan_spec.ts';
import { describeTensor, Tensor } from './tensor.ts';
import { sameShape, showType } from './types.ts';

/** A graph input that keeps its value from step to step, and that an update changes. `Graph.state` makes one. */
export class State extends Tensor {
  /**
   * Says what the state becomes when a step ends: an entry of `updates` for `compile`.
   * @throws Error, one sentence, when `next` has another shape or dtype, or belongs to another graph
   */
  becomes(next: Tensor): Update {
    const update = { state: this, value: next };
    checkUpdate(update);
    return update;
  }
}

/** @throws Error, one sentence, when what is updated is no state, or its new value has another type */
export function checkUpdate({ state, value }: Update): void {
  const name = describeTensor(state);
  if (state.node.name === undefined) {
    throw new Error(`${name} cannot be updated because it is no state: declare what a step changes with graph.state`);
  }
  if (state.node.stage !== 'step') {
    throw new Error(
      `${name} cannot be updated because it belongs to the ${state.node.stage} stage: declare what a step changes with graph.state`,
    );
  }
  if (state.graph !== value.graph) {
    throw new Error(`${name} cannot become a tensor of another graph`);
  }
  if (state.dtype !== value.dtype || !sameShape(state.shape, value.shape)) {
    throw new Error(
      `${name} is ${showType(state.type)} and cannot become ${showType(value.type)}: give a value of its type`,
    );
  }
}
