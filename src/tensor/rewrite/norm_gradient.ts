/**
 * Norm gradient fusion: where a linear layer alone reads the result of a norm, the backward pass has a product by the layer's weight
 * and then the gradient of the norm. One op computes both (`Op.fusesNormGradient` says how): the sums over a row that the norm's
 * gradient needs also follow from the layer's result and from terms of the weights, which the load stage makes.
 */
import type { DeviceCaps } from '../device/device_caps.ts';
import { Graph, keyOf, type Node, outputKey, readersOf, replaceInputs } from '../graph.ts';
import { allOps, type NormedLayer, type NormGradientFusion, type Op } from '../op.ts';
import { Tensor } from '../tensor.ts';
import { at, sizeOf } from '../types.ts';

/** The nodes that one op takes the place of, and what it reads. */
interface Match {
  readonly gradient: Node;
  /** The product of the backward pass, and the views between it and the norm's gradient. */
  readonly removed: readonly Node[];
  readonly dy: Tensor;
  readonly layer: NormedLayer;
  /** The layer's result. */
  readonly y: Tensor;
}

type Readers = ReadonlyMap<string, readonly Node[]>;

/**
 * Returns `order` with each such product and gradient fused. What depends on weights alone stands behind the weights.
 * @param preserved keys of values that must stay in memory
 */
export function fuseNormGradients(
  order: readonly Node[],
  preserved: ReadonlySet<string>,
  caps: DeviceCaps,
): readonly Node[] {
  const op = [...allOps().values()].find(({ fusesNormGradient }) => fusesNormGradient);
  if (!op?.fusesNormGradient) {
    return order;
  }
  const { fusesNormGradient: fusion } = op;
  const readers = readersOf(order);
  const positions = new Map(order.map((node, i) => [node.id, i]));
  const removed = new Set<number>();
  const replaced = new Map<number, Node>();
  const added = new Map<number, Node[]>();
  let id = order.reduce((most, node) => Math.max(most, node.id), 0);
  for (const gradient of order) {
    const match = gradient.op?.name === fusion.gradient ? matchAt(gradient, fusion, readers, preserved) : null;
    if (!match || (positions.get(match.y.node.id) ?? 0) > (positions.get(gradient.id) ?? 0)) {
      continue;
    }
    const fused = fusedNode(op, fusion, match, caps, () => ++id);
    if (fused) {
      const last = Math.max(...fused.weights.map(({ node }) => positions.get(node.id) ?? 0));
      added.set(last, [...(added.get(last) ?? []), ...fused.terms]);
      replaced.set(gradient.id, fused.node);
      for (const node of match.removed) {
        removed.add(node.id);
      }
    }
  }
  const kept = order.flatMap((node, i) => [
    ...(removed.has(node.id) ? [] : [replaced.get(node.id) ?? node]),
    ...(added.get(i) ?? []),
  ]);
  return kept.map((node) =>
    replaceInputs(node, (t) => {
      const now = replaced.get(t.node.id);
      return now ? new Tensor(now, t.index) : t;
    }),
  );
}

function matchAt(
  gradient: Node,
  fusion: NormGradientFusion,
  readers: Readers,
  preserved: ReadonlySet<string>,
): Match | null {
  const [x, stats, dz, gamma] = gradient.inputs;
  const norm = stats?.node;
  if (
    !x ||
    !gamma ||
    norm?.op?.name !== fusion.norm ||
    norm.inputs[0] === undefined ||
    keyOf(norm.inputs[0]) !== keyOf(x)
  ) {
    return null;
  }
  const beta = norm.inputs[2];
  const back = dz && onlyReader(dz, gradient, readers, preserved);
  const product = back?.at(-1);
  const [dy, weight] = product?.inputs ?? [];
  const forward = forwardProduct(norm, fusion, readers);
  if (
    !back ||
    !product ||
    product.op?.name !== fusion.product ||
    product.inputs.length !== 2 ||
    !dy ||
    !weight ||
    !beta ||
    !forward
  ) {
    return null;
  }
  const { attrs, inputs, outputs } = forward;
  const [, own, third] = inputs;
  const transposeB = product.attrs.transposeB === true;
  const isSame = own && sameMatrix(own, attrs.transposeB === true, weight, !transposeB);
  const isPlain = attrs.residual === false && sizeOf(at(outputs, 0).shape) === sizeOf(dy.shape);
  const bias = attrs.bias === true ? (third ?? null) : null;
  const isOfWeights = [weight, gamma, beta, ...(bias ? [bias] : [])].every((t) => behindViews(t).node.stage === 'load');
  return isSame && isPlain && isOfWeights
    ? { gradient, removed: back, dy, layer: { weight, transposeB, gamma, beta, bias }, y: new Tensor(forward, 0) }
    : null;
}

/** The nodes from `t` back through views to the first that computes something, if each is read by the next alone. */
function onlyReader(t: Tensor, reader: Node, readers: Readers, preserved: ReadonlySet<string>): Node[] | null {
  const users = readers.get(keyOf(t)) ?? [];
  if (users.length !== 1 || users[0] !== reader || t.index !== 0 || preserved.has(keyOf(t))) {
    return null;
  }
  const { node } = t;
  if (!node.op?.isView) {
    return [node];
  }
  const rest = onlyReader(at(node.inputs, 0), node, readers, preserved);
  return rest && [node, ...rest];
}

/** The only reader of the norm's result, through views, if it is a product that takes it as its left operand. */
function forwardProduct(norm: Node, fusion: NormGradientFusion, readers: Readers): Node | null {
  let key = outputKey(norm, 0);
  for (;;) {
    const [user, ...others] = readers.get(key) ?? [];
    if (!user || others.length > 0) {
      return null;
    }
    if (!user.op?.isView) {
      const takesIt =
        user.inputs.map(keyOf).filter((input) => input === key).length === 1 && keyOf(at(user.inputs, 0)) === key;
      return user.op?.name === fusion.product && takesIt ? user : null;
    }
    key = outputKey(user, 0);
  }
}

/** Whether two operands are one matrix, each read as it is or transposed. */
function sameMatrix(a: Tensor, aTransposed: boolean, b: Tensor, bTransposed: boolean): boolean {
  const [base, isTransposed] = untransposed(a, aTransposed);
  const [other, otherTransposed] = untransposed(b, bTransposed);
  return keyOf(base) === keyOf(other) && isTransposed === otherTransposed;
}

/** The matrix behind transposes of its last two axes, and whether an odd number of them is between. */
function untransposed(t: Tensor, isTransposed: boolean): [Tensor, boolean] {
  const { op, attrs, inputs } = t.node;
  const permutation = op?.permutation?.(attrs);
  const rank = t.shape.length;
  const exchanges = permutation?.every((axis, i) => axis === (i < rank - 2 ? i : 2 * rank - 3 - i));
  return exchanges ? untransposed(at(inputs, 0), !isTransposed) : [t, isTransposed];
}

/** The value that `t` shows through views. */
const behindViews = (t: Tensor): Tensor => (t.node.op?.isView ? behindViews(at(t.node.inputs, 0)) : t);

/** The node that takes the place of the gradient, and the nodes of the terms of its weights; null where the op does not take this site. */
function fusedNode(
  op: Op,
  fusion: NormGradientFusion,
  { gradient, dy, layer, y }: Match,
  caps: DeviceCaps,
  nextId: () => number,
): { node: Node; terms: Node[]; weights: Tensor[] } | null {
  const { terms, result, weights } = termsOf(fusion, layer, gradient, nextId);
  const [x, stats, , gamma] = gradient.inputs;
  if (!x || !stats || !gamma) {
    return null;
  }
  const flat = y.shape.length === dy.shape.length && y.shape.every((size, i) => size === dy.shape[i]);
  const inputs = [dy, layer.weight, result, y, x, stats, gamma];
  const site = {
    inputs: inputs.map((t) => t.type),
    outputs: gradient.outputs,
    attrs: { transposeB: layer.transposeB },
  };
  const attrs = flat ? fusion.attrs(site, caps) : null;
  return attrs ? { node: { ...gradient, op, attrs, inputs }, terms, weights } : null;
}

/** Traces the terms of the weights in a graph of their own, and gives the nodes ids that this order does not have. */
function termsOf(
  { weightTerms }: NormGradientFusion,
  layer: NormedLayer,
  { graph, path }: Node,
  nextId: () => number,
): { terms: Node[]; result: Tensor; weights: Tensor[] } {
  const own = new Graph();
  const origin = new Map<number, Tensor>();
  const terms: Node[] = [];
  const weights: Tensor[] = [];
  // A view of a weight may belong to a later stage; the terms read a copy of it in the load stage.
  const atLoad = (t: Tensor): Tensor => {
    const { node } = t;
    if (node.stage === 'load') {
      weights.push(t);
      return t;
    }
    const copy: Node = { ...node, id: nextId(), stage: 'load', inputs: [atLoad(at(node.inputs, 0))] };
    terms.push(copy);
    return new Tensor(copy, 0);
  };
  const input = (name: string, t: Tensor): Tensor => {
    const made = own.input(name, t.shape, 'load', t.dtype);
    origin.set(made.node.id, atLoad(t));
    return made;
  };
  const { weight, gamma, beta, bias, transposeB } = layer;
  const made = weightTerms({
    transposeB,
    weight: input('weight', weight),
    gamma: input('gamma', gamma),
    beta: input('beta', beta),
    bias: bias && input('bias', bias),
  });
  const moved = new Map<number, Node>();
  const outside = (t: Tensor): Tensor => {
    const node = moved.get(t.node.id);
    return node ? new Tensor(node, t.index) : (origin.get(t.node.id) ?? t);
  };
  for (const node of own.nodes.filter(({ id }) => !origin.has(id))) {
    const copy: Node = { ...node, graph, id: nextId(), path, backward: true, inputs: node.inputs.map(outside) };
    moved.set(node.id, copy);
    terms.push(copy);
  }
  return { terms, result: outside(made), weights };
}
