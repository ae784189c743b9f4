/** The tensors that a layer reads: of one checkpoint, or of several networks of one configuration as a stack. */
import { concat, reshape } from '../../kernels/index.ts';
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import { at } from '../../tensor/types.ts';

/** The methods that layers need of their checkpoint. `WeightStore` reads one checkpoint, `StackedWeights` several. */
export interface Weights {
  readonly graph: Graph;
  /** Returns the weights of a submodule. */
  sub(...names: (string | number)[]): Weights;
  /** Whether the tensor is stored. */
  has(name: string): boolean;
  /** @throws Error with the full key, and both shapes if they differ */
  get(name: string, shape: Shape): Tensor;
  /** Returns the tensors `names`, each of `shape` [O,...], concatenated to [O·names, ...]. They share one buffer where that is possible. */
  getPacked(names: readonly string[], shape: Shape): Tensor;
}

/** The checkpoints of R networks, so that the networks run as one batch: every tensor is [R, ...shape], in the order of the members. */
export class StackedWeights implements Weights {
  readonly #members: readonly Weights[];

  constructor(members: readonly Weights[]) {
    this.#members = members;
  }

  get graph(): Graph {
    return at(this.#members, 0).graph;
  }

  sub(...names: (string | number)[]): Weights {
    return new StackedWeights(this.#members.map((w) => w.sub(...names)));
  }

  has(name: string): boolean {
    return this.#members.every((w) => w.has(name));
  }

  get(name: string, shape: Shape): Tensor {
    return this.getPacked([name], shape);
  }

  getPacked(names: readonly string[], shape: Shape): Tensor {
    const tensors = this.#members.flatMap((w) => names.map((name) => w.get(name, shape)));
    const [rows = 1, ...rest] = shape;
    const stackable = tensors.map((tensor) => (shape.length === 0 ? reshape(tensor, [1]) : tensor));
    return reshape(concat(stackable, 0), [
      this.#members.length,
      ...(shape.length === 0 ? [] : [names.length * rows]),
      ...rest,
    ]);
  }
}
