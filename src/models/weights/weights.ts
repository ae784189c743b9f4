import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';

/** What a layer asks of its checkpoint. `WeightStore` is one; several at once are `JoinedWeights`. */
export interface Weights {
  readonly graph: Graph;
  /** Those of a submodule. */
  sub(...names: (string | number)[]): Weights;
  has(name: string): boolean;
  /** @throws Error with the full key, and both shapes if they differ */
  get(name: string, shape: Shape): Tensor;
  /** `names`, each of `shape` [O,...], end to end as one [O·names, ...]: parts of one buffer wherever that is possible. */
  getPacked(names: readonly string[], shape: Shape): Tensor;
}
