/** Symbolic tensors: each is one output of one graph node. They own nothing; plans own memory. */
import type { Graph, Node } from './graph.ts';
import type { DType, Shape, TensorType } from './types.ts';
import { at, showType } from './types.ts';

/** A symbolic value of a graph: its shape and dtype are known, its numbers are not. */
export class Tensor {
  /** The node that computes it. */
  readonly node: Node;
  /** Which output of the node. */
  readonly index: number;
  readonly #dtype: DType | undefined;

  /**
   * @param dtype what its network takes it for, where it is stored more exactly (raised_modules.ts)
   * @internal
   */
  constructor(node: Node, index: number, dtype?: DType) {
    this.node = node;
    this.index = index;
    this.#dtype = dtype;
  }

  /** The graph that it belongs to. */
  get graph(): Graph {
    return this.node.graph;
  }

  /** Its dtype and shape, as it is stored. */
  get type(): TensorType {
    return at(this.node.outputs, this.index);
  }

  /** Its sizes, outermost first; a scalar's are []. */
  get shape(): Shape {
    return this.type.shape;
  }

  /** How its network stores it. A tensor of a module that is raised to f32 is f16 here, and f32 in `type`. */
  get dtype(): DType {
    return this.#dtype ?? this.type.dtype;
  }

  /** The size of dimension `i`; a negative one counts from the end. @throws RangeError when there is none */
  dim(i: number): number {
    return at(this.shape, i < 0 ? this.shape.length + i : i);
  }
}

/** Names a tensor in a message: `graph input w`, `a constant [3]`, `matmul f32[2,3] in unet.mid_block`. */
export function describeTensor({ node, type }: Tensor): string {
  if (!node.op) {
    return node.name === undefined ? `a constant [${type.shape.join(',')}]` : `graph input ${node.name}`;
  }
  return `${node.op.name} ${showType(type)}${node.path === '' ? '' : ` in ${node.path}`}`;
}
