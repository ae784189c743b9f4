/** Several checkpoints of one network read as one: each tensor is theirs in a stack, so that they run as one batch. */
import { concat, reshape } from '../../kernels/index.ts';
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import { at } from '../../tensor/types.ts';
import type { Weights } from './weights.ts';

/** Tensors are [R, ...shape] for R checkpoints, in their order. */
export class JoinedWeights implements Weights {
  readonly #members: readonly Weights[];

  constructor(members: readonly Weights[]) {
    this.#members = members;
  }

  get graph(): Graph {
    return at(this.#members, 0).graph;
  }

  sub(...names: (string | number)[]): Weights {
    return new JoinedWeights(this.#members.map((w) => w.sub(...names)));
  }

  has(name: string): boolean {
    return this.#members.every((w) => w.has(name));
  }

  get(name: string, shape: Shape): Tensor {
    return this.getPacked([name], shape);
  }

  getPacked(names: readonly string[], shape: Shape): Tensor {
    const parts = this.#members.flatMap((w) => names.map((name) => w.get(name, shape)));
    const [rows = 1, ...rest] = shape;
    const ends = parts.map((part) => (shape.length === 0 ? reshape(part, [1]) : part));
    return reshape(concat(ends, 0), [
      this.#members.length,
      ...(shape.length === 0 ? [] : [names.length * rows]),
      ...rest,
    ]);
  }
}
