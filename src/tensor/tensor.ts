/** A symbolic tensor: one output of one graph node. It owns nothing; the plan owns memory. */
import type { Graph, Node } from './graph.ts';
import type { DType, Shape, TensorType } from './types.ts';
import { at } from './types.ts';

export class Tensor {
  readonly node: Node;
  /** Which output of the node. */
  readonly index: number;

  constructor(node: Node, index: number) {
    this.node = node;
    this.index = index;
  }

  get graph(): Graph {
    return this.node.graph;
  }

  get type(): TensorType {
    return at(this.node.outputs, this.index);
  }

  get shape(): Shape {
    return this.type.shape;
  }

  get dtype(): DType {
    return this.type.dtype;
  }

  /** Size of dimension `i`; negative counts from the end. */
  dim(i: number): number {
    return at(this.shape, i < 0 ? this.shape.length + i : i);
  }
}
