/** Evaluates a graph in f64 on the CPU: the reference for every kernel and for finite differences. */
import type { Node } from './graph.ts';
import type { HostArray } from './op.ts';
import type { Tensor } from './tensor.ts';
import { at, sizeOf } from './types.ts';

/** Values of graph inputs by name, row-major. */
export type Feeds = ReadonlyMap<string, ArrayLike<number>>;

/**
 * Evaluates `outputs`, visiting only what they need.
 * @throws Error when an input has no feed, a feed has the wrong length, or an op returns the wrong number of values.
 */
export function interpret(outputs: readonly Tensor[], feeds: Feeds): Float64Array[] {
  const values = nodeValues(
    outputs.map((t) => t.node),
    feeds,
  );
  return outputs.map((t) => at(valuesOf(values, t.node), t.index));
}

/** Values of every node that `roots` need, by node id. */
export function nodeValues(roots: readonly Node[], feeds: Feeds): Map<number, Float64Array[]> {
  const values = new Map<number, Float64Array[]>();
  for (const node of needed(roots)) {
    values.set(node.id, node.op ? applied(node, values) : [fed(node, feeds)]);
  }
  return values;
}

/** `roots` and all they depend on, in the order they were traced. */
export function needed(roots: readonly Node[]): Node[] {
  const seen = new Set<Node>();
  const stack = [...roots];
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (!seen.has(node)) {
      seen.add(node);
      stack.push(...node.inputs.map((t) => t.node));
    }
  }
  return [...seen].sort((a, b) => a.id - b.id);
}

function valuesOf(values: ReadonlyMap<number, Float64Array[]>, node: Node): Float64Array[] {
  const found = values.get(node.id);
  if (!found) {
    throw new Error(`node ${node.id} was not evaluated`);
  }
  return found;
}

function fed(node: Node, feeds: Feeds): Float64Array {
  const size = sizeOf(at(node.outputs, 0).shape);
  const data = node.data ?? feeds.get(node.name ?? '');
  if (!data) {
    throw new Error(`no value was given for graph input ${node.name}`);
  }
  if (data.length !== size) {
    throw new Error(`graph input ${node.name} has ${size} elements, was given ${data.length}`);
  }
  return Float64Array.from(data);
}

function applied(node: Node, values: ReadonlyMap<number, Float64Array[]>): Float64Array[] {
  const { op, attrs, outputs } = node;
  const inputs = node.inputs.map<HostArray>((t) => ({
    shape: t.shape,
    data: at(valuesOf(values, t.node), t.index),
  }));
  const site = { inputs: node.inputs.map((t) => t.type), outputs, attrs };
  const results = op?.reference(inputs, site) ?? [];
  outputs.forEach((type, i) => {
    if (results[i]?.length !== sizeOf(type.shape)) {
      throw new Error(
        `the reference of ${op?.name} gave output ${i} with ${results[i]?.length} values for [${type.shape}]`,
      );
    }
  });
  return [...results];
}
