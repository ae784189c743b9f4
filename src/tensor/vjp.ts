/** Reverse-mode differentiation, graph → graph. */
import { cotangentOps } from './cotangent_ops.ts';
import { keyOf } from './graph.ts';
import { needed } from './interpreter.ts';
import { describeTensor, Tensor } from './tensor.ts';
import { at, sizeOf } from './types.ts';

/** Where f16 activations meet f32 ones their cotangent is f32: cast, or all of the backward pass before them would be too. */
function ofDType(gradient: Tensor, { dtype }: Tensor): Tensor {
  return dtype === 'f16' && gradient.dtype !== dtype ? cotangentOps().cast(gradient, dtype) : gradient;
}

/** For each tensor of `W`, its gradient. */
export type Gradients<W extends readonly Tensor[], G = Tensor> = { -readonly [K in keyof W]: G };

/**
 * Returns the gradient of a scalar with respect to each of `wrt`, in their order, as new tensors of the same graph.
 * Only nodes on a path from `wrt` to `loss` get a cotangent: frozen weights cost nothing.
 * @throws Error, one sentence, when `loss` is not a scalar, when no gradient reaches one of `wrt`, or when an op on the path
 *   has no VJP (it is named with its module path)
 */
export function gradients<const W extends readonly Tensor[]>(loss: Tensor, wrt: W): Gradients<W> {
  const found = gradientsOrNone(loss, wrt).map((gradient, i) => gradient ?? refuse(loss, at(wrt, i)));
  return found as Gradients<W>;
}

/** Says why no gradient of `loss` reaches `t`. */
function refuse(loss: Tensor, t: Tensor): never {
  const name = describeTensor(t);
  const what = `${describeTensor(loss)} has no gradient with respect to ${name}`;
  if (t.graph !== loss.graph) {
    throw new Error(`${what}, because the two belong to different graphs`);
  }
  const depends = needed([loss.node]).includes(t.node);
  throw new Error(
    depends
      ? `${what}, because every path between them passes through an op without a gradient`
      : `${what}, because the first does not depend on the second: leave it out, or use it in the loss`,
  );
}

/**
 * As `gradients`, with undefined for each of `wrt` that no gradient reaches.
 * @throws Error, one sentence, when `loss` is not a scalar, or an op on the path has no VJP
 */
export function gradientsOrNone<const W extends readonly Tensor[]>(
  loss: Tensor,
  wrt: W,
): Gradients<W, Tensor | undefined> {
  if (sizeOf(loss.shape) !== 1) {
    throw new Error(
      `gradients needs a loss of one value, but ${describeTensor(loss)} has shape [${loss.shape.join(',')}]: reduce it with mean or sum first`,
    );
  }
  const graph = loss.graph;
  const needs = new Set<number>(wrt.filter((t) => t.graph === graph).map((t) => t.node.id));
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
    const wanted = inputs.map((t) => needs.has(t.node.id));
    graph.backwardScope(path, () => {
      const thunks = op.vjp?.({ inputs, outputs, attrs, grads, dy, needs: wanted }) ?? [];
      inputs.forEach((input, i) => {
        const thunk = thunks[i];
        if (wanted[i] && thunk) {
          accumulate(input, ofDType(thunk(), input));
        }
      });
    });
  }
  return wrt.map((t) => (t.graph === graph ? cotangents.get(keyOf(t)) : undefined)) as Gradients<W, Tensor | undefined>;
}
