/**
 * Rewrite before planning: an elementwise chain behind a product, convolution or norm is done where that one stores its
 * result, in the generated `store_NAME` of its kernels. The kernels know nothing of it; they promise to store each
 * element of output 0 once, through that function, and not to read it (`Op.storesOnce`).
 */

import type { DeviceCaps } from '../device_caps.ts';
import type { Dispatch } from '../dispatch.ts';
import { keyOf, type Node, outputKey, readersOf, siteOf } from '../graph.ts';
import type { Op, OpSite, Variant } from '../op.ts';
import { Tensor } from '../tensor.ts';
import { at, byteSize, sizeOf } from '../types.ts';
import type { Chain } from './elementwise_chain.ts';
import { chainCode, chainFlops, chainName, evaluateChain, resultType } from './elementwise_chain.ts';
import { type Fused, madeByPlanner } from './elementwise_fusion.ts';

/** A producer whose result a chain takes. */
interface Match {
  readonly producer: Node;
  /** The producer's output 0, and the views between it and the chain. */
  readonly value: Tensor;
  readonly views: readonly Node[];
  /** What the chain calls it. */
  readonly seen: Tensor;
  /** Others read the value too, so it is stored as well. */
  readonly keeps: boolean;
}

export function absorbIntoStores({ order, chains }: Fused, kept: ReadonlySet<string>, caps: DeviceCaps): Node[] {
  const position = new Map(order.map((node, i) => [node.id, i]));
  const readers = readersOf(order);
  const replaced = new Map<number, Node>();
  const gone = new Set<number>();
  const moved = new Map<string, Tensor>();
  for (const node of order) {
    const chain = chains.get(node);
    const matches = chain ? matchesOf(node, chain, readers, kept, replaced) : [];
    const fits = matches.filter(
      ({ producer, keeps }) =>
        storeBindings(producer, caps) + (chain?.inputs.length ?? 0) - 1 + Number(keeps) <= caps.maxStorageBuffers,
    );
    // The latest producer takes the chain: the others' results are there by then.
    for (const match of fits.sort((a, b) => placeIn(position, b.producer) - placeIn(position, a.producer))) {
      const place = chain && placeFor(node, chain, match, position, readers);
      if (chain && place !== undefined && place !== null) {
        const made = absorbed(node, chain, match);
        replaced.set(node.id, made);
        replaced.set(match.producer.id, made);
        gone.add(match.producer.id);
        for (const view of match.views) {
          gone.add(view.id);
        }
        position.set(node.id, place);
        position.set(match.producer.id, place);
        match.producer.outputs.slice(1).forEach((_, k) => {
          moved.set(outputKey(match.producer, k + 1), new Tensor(made, k + 1));
        });
        if (match.keeps) {
          moved.set(keyOf(match.value), new Tensor(made, match.producer.outputs.length));
        }
        break;
      }
    }
  }
  const left = order
    .filter((node) => !gone.has(node.id))
    .sort((a, b) => placeIn(position, a) - placeIn(position, b))
    .map((node) => replaced.get(node.id) ?? node);
  return left.map((node) =>
    node.inputs.some((t) => moved.has(keyOf(t)))
      ? { ...node, inputs: node.inputs.map((t) => moved.get(keyOf(t)) ?? t) }
      : node,
  );
}

const isStore = (b: Dispatch['bindings'][number]): boolean => 'output' in b.ref && b.ref.output === 0;

/** Bindings of the dispatch that stores the result, by the variant that has most. */
function storeBindings(producer: Node, caps: DeviceCaps): number {
  const site = siteOf(producer);
  const counts = (producer.op?.variants ?? [])
    .filter((variant) => variant.supports?.(site, caps) ?? true)
    .flatMap((variant) => variant.dispatches(site, caps))
    .map(({ bindings }) => (bindings.some(isStore) ? bindings.length : 0));
  return Math.max(...counts);
}

const placeIn = (position: ReadonlyMap<number, number>, node: Node): number => position.get(node.id) ?? 0;

function matchesOf(
  node: Node,
  chain: Chain,
  readers: ReadonlyMap<string, readonly Node[]>,
  kept: ReadonlySet<string>,
  replaced: ReadonlyMap<number, Node>,
): Match[] {
  const size = sizeOf(at(node.outputs, 0).shape);
  return chain.inputs.flatMap((seen) => {
    const views: Node[] = [];
    let value = seen;
    while (value.node.op?.isView && readers.get(keyOf(value))?.length === 1 && !kept.has(keyOf(value))) {
      views.push(value.node);
      value = at(value.node.inputs, 0);
    }
    const producer = value.node;
    const isFree = !replaced.has(producer.id) && !producer.outputs.some((_, i) => kept.has(outputKey(producer, i)));
    const keeps = (readers.get(keyOf(value))?.length ?? 0) > 1;
    const fits =
      producer.op?.storesOnce === true &&
      value.index === 0 &&
      producer.stage === node.stage &&
      sizeOf(value.shape) === size;
    return isFree && fits ? [{ producer, value, views, seen, keeps }] : [];
  });
}

/**
 * Where the joined node stands: at the chain's place, unless the producer's other results are wanted before; then at
 * the producer's, if the chain's other operands are there by then. null: nowhere.
 */
function placeFor(
  node: Node,
  chain: Chain,
  { producer, seen }: Match,
  position: ReadonlyMap<number, number>,
  readers: ReadonlyMap<string, readonly Node[]>,
): number | null {
  const end = placeIn(position, node);
  const users = producer.outputs.flatMap((_, i) => readers.get(outputKey(producer, i)) ?? []);
  if (users.every((user) => placeIn(position, user) >= end || user.op?.isView)) {
    const through = users.filter((user) => user.op?.isView).flatMap((view) => readers.get(outputKey(view, 0)) ?? []);
    if (through.every((user) => placeIn(position, user) >= end)) {
      return end;
    }
  }
  const start = placeIn(position, producer);
  const rest = chain.inputs.filter((t) => t !== seen);
  return rest.every((t) => placeIn(position, t.node) < start) ? start : null;
}

function absorbed(node: Node, chain: Chain, match: Match): Node {
  const { producer, seen, keeps } = match;
  const { op } = producer;
  if (!op) {
    throw new Error('a graph input stores nothing');
  }
  const inner = siteOf(producer);
  const rest = chain.inputs.filter((t) => t !== seen);
  const outputs = [resultType(chain), ...producer.outputs.slice(1), ...(keeps ? [at(producer.outputs, 0)] : [])];
  const decorate = (dispatches: readonly Dispatch[]): Dispatch[] => decorated(dispatches, op, inner, chain, match);
  const variants = op.variants.map(
    (variant): Variant => ({
      name: variant.name,
      supports: (_, caps) => variant.supports?.(inner, caps) ?? true,
      dispatches: (_, caps) => decorate(variant.dispatches(inner, caps)),
    }),
  );
  const made: Op = {
    name: op.name,
    infer: () => outputs,
    variants,
    inner: { op, site: inner },
    reference: (inputs) => {
      const [y, ...more] = op.reference(inputs.slice(0, inner.inputs.length), inner);
      const values = new Map(rest.map((t, i) => [keyOf(t), at(inputs, inner.inputs.length + i)] as const));
      values.set(keyOf(seen), { shape: seen.shape, data: y ?? new Float64Array() });
      return [evaluateChain(chain, values), ...more, ...(keeps && y ? [y] : [])];
    },
    cost: (site) => ({
      flops: op.cost(inner).flops + chainFlops(chain),
      bytes: [...site.inputs, ...site.outputs].reduce((n, t) => n + byteSize(t), 0),
    }),
    cases: [],
    call: madeByPlanner,
    one: madeByPlanner,
  };
  return {
    ...node,
    op: made,
    inputs: [...producer.inputs, ...rest],
    outputs,
    attrs: producer.attrs,
    path: producer.path,
    backward: producer.backward,
  };
}

/** `dispatches` with the chain in front of the one store of output 0. @throws Error when an op breaks its promise */
function decorated(
  dispatches: readonly Dispatch[],
  op: Op,
  inner: OpSite,
  chain: Chain,
  { seen, keeps }: Match,
): Dispatch[] {
  const storing = dispatches.filter((d) => d.bindings.some(isStore));
  const [store, ...more] = storing.flatMap((d) => d.bindings.filter(isStore));
  if (!store || more.length > 0 || store.access !== 'write') {
    throw new Error(`${op.name} does not store its first output once, so nothing can be joined to it`);
  }
  const width = store.vec ?? 1;
  const code = chainCode(chain, width, 'e_', new Map([[keyOf(seen), 'v']]), inner.inputs.length);
  const type = width === 4 ? 'vec4<f32>' : 'f32';
  const fusedStore = `${code.functions}
fn store_${store.name}(i: u32, v: ${type}) {
${keeps ? '  store_e_kept(i, v);\n' : ''}${code.statements}
  put_${store.name}(i, ${code.result});
}
`;
  const kept: Dispatch['bindings'] = keeps
    ? [{ name: 'e_kept', ref: { output: inner.outputs.length }, access: 'write', vec: width }]
    : [];
  return dispatches.map((d) =>
    d.bindings.some(isStore)
      ? {
          ...d,
          label: `${d.label}+${chainName(chain)}`.slice(0, 80),
          code: fusedStore + d.code,
          fusedStore: store.name,
          params: { ...d.params, ...code.params },
          bindings: [...d.bindings, ...code.bindings, ...kept],
        }
      : d,
  );
}
