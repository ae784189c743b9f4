/** The trace: nodes in the order they were made, equal ones made once. Static shapes, no cycles by construction. */
import type { Attrs, Op, OpSite } from './op.ts';
import type { RaisedModules } from './raised_modules.ts';
import { State } from './state.ts';
import { describeTensor, Tensor } from './tensor.ts';
import type { DType, Shape, Stage, TensorType } from './types.ts';
import { append, at, laterStage, showType, sizeOf } from './types.ts';

/** One op of a graph with its operands, or one of the graph's inputs or constants. */
export interface Node {
  readonly graph: Graph;
  readonly id: number;
  /** null: a graph input (weight, prompt, state or constant). */
  readonly op: Op | null;
  readonly inputs: readonly Tensor[];
  readonly attrs: Attrs;
  readonly outputs: readonly TensorType[];
  readonly stage: Stage;
  /** Module path at the time of tracing, such as `unet.down_blocks.0`; in a backward pass, the path of the module differentiated. */
  readonly path: string;
  /** `gradients` made it. */
  readonly backward: boolean;
  /** A copy that computes its value a second time (recomputation.ts). Only a schedule has such nodes. */
  readonly recomputed?: boolean;
  /** For inputs: its name. */
  readonly name?: string;
  /**
   * For weights: axis i in memory is axis storedLayout[i] of what the caller writes. Only a schedule sets it
   * (weight_layout.ts); absent: both are the same.
   */
  readonly storedLayout?: readonly number[];
  /** For constants: its values. */
  readonly data?: Float64Array;
}

/** The types around a node, as its op asks for them. */
export const siteOf = (node: Node): OpSite => ({
  inputs: node.inputs.map((t) => t.type),
  outputs: node.outputs,
  attrs: node.attrs,
});

/** Names output `i` of a node within its graph. A node that replaces another while planning keeps its key. */
export const outputKey = (node: Pick<Node, 'id'>, i: number): string => `${node.id}.${i}`;

/** Names a tensor within its graph: the key of the output that it is. */
export const keyOf = (t: Tensor): string => outputKey(t.node, t.index);

/** The module path as reports and errors show it, such as `backward unet.mid_block`. */
export const showPath = ({ path, backward, recomputed }: Node): string =>
  `${recomputed ? 'recomputed ' : ''}${backward ? 'backward ' : ''}${path}`;

/** The nodes of `order` that read each tensor, by key, each once. */
export function readersOf(order: readonly Node[]): Map<string, Node[]> {
  const readers = new Map<string, Node[]>();
  for (const node of order) {
    for (const key of new Set(node.inputs.map(keyOf))) {
      append(readers, key, node);
    }
  }
  return readers;
}

/** Returns `node` with each input replaced, or `node` itself when none changes. */
export function replaceInputs(node: Node, replacement: (t: Tensor) => Tensor): Node {
  const inputs = node.inputs.map(replacement);
  return inputs.every((t, i) => t === node.inputs[i]) ? node : { ...node, inputs };
}

/** A computation as it is traced: ops on its tensors add nodes, and equal nodes are made once. */
export class Graph {
  /** The nodes in the order they were made: each after those it reads. */
  readonly nodes: Node[] = [];
  /** The declared inputs by name. */
  readonly inputs = new Map<string, Tensor>();
  /**
   * The modules whose activations are stored as f32 although their network stores them as f16; null: none.
   * @internal
   */
  raised: RaisedModules | null = null;
  readonly #equal = new Map<string, Node>();
  #path = '';
  #backward = false;

  /**
   * Declares an input, which a plan fills by its name.
   * @param stage what its value depends on: `load` for weights that stay, `prompt` for what changes now and then, `step` for
   *   what changes with every step. What depends only on earlier stages is computed once, until one of their inputs is written.
   * @throws Error when the name is taken, or a size is no positive whole number
   */
  input(name: string, shape: Shape, stage: Stage = 'step', dtype: DType = 'f32'): Tensor {
    return this.#declare(name, this.#inputNode(name, shape, stage, dtype));
  }

  /**
   * Declares an input that a step changes: `compile` takes what it becomes in `updates`, and its first value is written.
   * @throws Error as `input`
   */
  state(name: string, shape: Shape, dtype: DType = 'f32'): State {
    return this.#declare(name, new State(this.#inputNode(name, shape, 'step', dtype).node, 0));
  }

  #inputNode(name: string, shape: Shape, stage: Stage, dtype: DType): Tensor {
    if (this.inputs.has(name)) {
      throw new Error(`graph input ${name} is declared twice: give each input a name of its own`);
    }
    if (shape.some((size) => !Number.isInteger(size) || size < 1)) {
      throw new Error(`graph input ${name} has shape [${shape.join(',')}], but sizes must be positive whole numbers`);
    }
    return this.#add({ op: null, inputs: [], attrs: {}, outputs: [{ dtype, shape }], stage, name });
  }

  #declare<T extends Tensor>(name: string, tensor: T): T {
    this.inputs.set(name, tensor);
    return tensor;
  }

  /** A constant known when tracing; equal constants are one node. */
  constant(values: ArrayLike<number>, shape: Shape, dtype: DType = 'f32'): Tensor {
    if (values.length !== sizeOf(shape)) {
      throw new Error(`constant of shape [${shape.join(',')}] got ${values.length} values`);
    }
    const data = Float64Array.from(values);
    const key = data.length <= 64 ? `const ${dtype} ${shape.join(',')} ${data.join(',')}` : undefined;
    const found = key === undefined ? undefined : this.#equal.get(key);
    if (found) {
      return new Tensor(found, 0);
    }
    const made = this.#add({ op: null, inputs: [], attrs: {}, outputs: [{ dtype, shape }], stage: 'load', data });
    if (key !== undefined) {
      this.#equal.set(key, made.node);
    }
    return made;
  }

  /** A constant of shape []. */
  scalar(value: number): Tensor {
    return this.constant([value], []);
  }

  /** Runs `build` with `name` appended to the module path that its nodes carry. */
  scope<T>(name: string, build: () => T): T {
    const outer = this.#path;
    this.#path = outer === '' ? name : `${outer}.${name}`;
    try {
      return build();
    } finally {
      this.#path = outer;
    }
  }

  /** Runs `build`; the nodes that it adds are the backward pass of module `path`. */
  backwardScope<T>(path: string, build: () => T): T {
    const outer = [this.#path, this.#backward] as const;
    [this.#path, this.#backward] = [path, true];
    try {
      return build();
    } finally {
      [this.#path, this.#backward] = outer;
    }
  }

  /** Adds a node, or returns the equal one that is there. */
  apply(op: Op, inputs: readonly Tensor[], attrs: Attrs): Tensor[] {
    const add = (operands: readonly Tensor[]): Tensor[] => this.#apply(op, operands, attrs);
    return this.raised && !this.#backward ? this.raised.apply(op, inputs, attrs, this.#path, add) : add(inputs);
  }

  #apply(op: Op, inputs: readonly Tensor[], attrs: Attrs): Tensor[] {
    const key = `${op.name} ${inputs.map(keyOf).join(' ')} ${JSON.stringify(attrs)}`;
    let node = this.#equal.get(key);
    if (!node) {
      const types = inputs.map((t) => t.type);
      let outputs: readonly TensorType[];
      try {
        outputs = op.infer(types, attrs);
      } catch (error) {
        const where = this.#path === '' ? '' : ` in ${this.#backward ? 'the backward pass of ' : ''}${this.#path}`;
        const what = error instanceof Error ? error.message : String(error);
        throw new Error(`${op.name}(${types.map(showType).join(', ')})${where}: ${what}`);
      }
      const stage = inputs.reduce<Stage>((s, t) => laterStage(s, t.node.stage), 'load');
      node = this.#add({ op, inputs, attrs, outputs, stage }).node;
      this.#equal.set(key, node);
    }
    const made = node;
    return made.outputs.map((_, i) => new Tensor(made, i));
  }

  #add(part: Omit<Node, 'graph' | 'id' | 'path' | 'backward'>): Tensor {
    const node: Node = { ...part, graph: this, id: this.nodes.length, path: this.#path, backward: this.#backward };
    this.nodes.push(node);
    return new Tensor(node, 0);
  }
}

/** Adds `op` to the graph that its inputs belong to. @throws Error when they belong to two graphs or there are none. */
export function applyOp(op: Op, inputs: readonly Tensor[], attrs: Attrs): Tensor[] {
  const graph = at(inputs, 0).graph;
  if (inputs.some((t) => t.graph !== graph)) {
    const names = inputs.map(describeTensor).join(', ');
    throw new Error(`${op.name} was given tensors of two graphs (${names}): declare its operands in one graph`);
  }
  return graph.apply(op, inputs, attrs);
}
