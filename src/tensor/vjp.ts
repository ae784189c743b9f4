/** Reverse-mode differentiation, graph → graph. */
import { cotangentOps } from './cotangent_ops.ts';
import { keyOf } from './graph.ts';
import { Tensor } from './tensor.ts';
import { at, sizeOf } from './types.ts';

/** Where f16 activations meet f32 ones their cotangent is f32: cast, or all of the backward pass before them would be too. */
function ofDType(gradient: Tensor, { dtype }: Tensor): Tensor {
  return dtype === 'f16' && gradient.dtype !== dtype ? cotangentOps().cast(gradient, dtype) : gradient;
}

/**
 * Gradients of a scalar with respect to `wrt`, as new nodes of the same graph.
 * Only nodes on a path from `wrt` to `loss` get a cotangent: frozen weights cost nothing.
 * A `wrt` that the loss does not reach gets zeros.
 * @throws Error when `loss` is not a scalar, or an op on the path has no VJP (it is named with its module path).
 */
export function gradients(loss: Tensor, wrt: readonly Tensor[]): Tensor[] {
  if (sizeOf(loss.shape) !== 1) {
    throw new Error(`gradients of a loss of shape [${loss.shape.join(',')}]: reduce it to one value first`);
  }
  const graph = loss.graph;
  const needs = new Set<number>(wrt.map((t) => t.node.id));
  const last = loss.node.id;
  for (const node of graph.nodes.slice(0, last + 1)) {
    if (node.inputs.some((t) => needs.has(t.node.id))) {
      needs.add(node.id);
    }
  }

  const { add } = cotangentOps();
  const cotangents = new Map<string, Tensor>();
  const accumulate = (target: Tensor, value: Tensor): void => {
    const key = keyOf(target);
    const before = cotangents.get(key);
    cotangents.set(key, before ? add(before, value) : value);
  };
  accumulate(loss, graph.constant([1], loss.shape));

  for (let id = last; id >= 0; id--) {
    const node = at(graph.nodes, id);
    if (!node.op || !needs.has(id)) {
      continue;
    }
    const outputs = node.outputs.map((_, i) => new Tensor(node, i));
    const grads = outputs.map((t) => cotangents.get(keyOf(t)));
    if (grads.every((g) => g === undefined)) {
      continue;
    }
    const [dy] = grads;
    if (!node.op.vjp || !dy) {
      throw new Error(`${node.op.name}${node.path ? ` in ${node.path}` : ''} is not differentiable here`);
    }
    const { op, inputs, attrs, path } = node;
    const needed = inputs.map((t) => needs.has(t.node.id));
    graph.backwardScope(path, () => {
      const thunks = op.vjp?.({ inputs, outputs, attrs, grads, dy, needs: needed }) ?? [];
      inputs.forEach((input, i) => {
        const thunk = thunks[i];
        if (needed[i] && thunk) {
          accumulate(input, ofDType(thunk(), input));
        }
      });
    });
  }
  return wrt.map((t) => cotangents.get(keyOf(t)) ?? graph.constant(new Float64Array(sizeOf(t.shape)), t.shape));
}
