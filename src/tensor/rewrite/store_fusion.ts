/**
 * Store fusion: a chain of elementwise ops behind a product, convolution or norm runs where that op stores its result, in the
 * function `store_NAME` of its kernels. The kernels do not know of the chain. They only promise to store each element of output 0
 * once, through that function, and not to read it (`Op.storesOnce`).
 */

import type { DeviceCaps } from '../device/device_caps.ts';
import type { Binding, Dispatch } from '../dispatch.ts';
import { keyOf, type Node, outputKey, readersOf, replaceInputs, siteOf } from '../graph.ts';
import type { Op, OpSite, Variant } from '../op.ts';
import { Tensor } from '../tensor.ts';
import { at, byteSize, sizeOf } from '../types.ts';
import type { Chain } from './elementwise_chain.ts';
import { chainCode, chainFlops, chainName, evaluateChain, resultType } from './elementwise_chain.ts';
import type { FusedOrder } from './elementwise_fusion.ts';
import { generatedOp } from './generated_op.ts';

/** A producer that a chain can be fused into. */
interface Match {
  readonly producer: Node;
  /** Output 0 of the producer. */
  readonly value: Tensor;
  /** The views between `value` and the chain. */
  readonly views: readonly Node[];
  /** The input of the chain that shows `value`. */
  readonly chainInput: Tensor;
  /** Other nodes read `value` too, so the kernel stores it as an output of its own. */
  readonly storesBoth: boolean;
}

/**
 * Returns the order with each chain fused into the store of a producer, where one fits.
 * @param preserved keys of values that must stay in memory, so that no fusion removes them
 */
export function fuseIntoStores(
  { order, chains }: FusedOrder,
  preserved: ReadonlySet<string>,
  caps: DeviceCaps,
): Node[] {
  const positions = new Map(order.map((node, i) => [node.id, i]));
  const readers = readersOf(order);
  const replaced = new Map<number, Node>();
  const removed = new Set<number>();
  const moved = new Map<string, Tensor>();
  for (const node of order) {
    const chain = chains.get(node);
    const matches = chain ? matchesOf(node, chain, readers, preserved, replaced) : [];
    const fits = matches.filter(
      ({ producer, storesBoth }) =>
        storeBindings(producer, caps) + (chain?.inputs.length ?? 0) - 1 + Number(storesBoth) <= caps.maxStorageBuffers,
    );
    // The latest producer comes first: the results of the others are there by then.
    for (const match of fits.sort((a, b) => positionOf(b.producer, positions) - positionOf(a.producer, positions))) {
      const { producer, value, views, storesBoth } = match;
      const position = chain && fusedPosition(node, chain, match, positions, readers);
      if (chain && position !== undefined && position !== null) {
        const fused = fusedNode(node, chain, match);
        for (const { id } of [node, producer]) {
          replaced.set(id, fused);
          positions.set(id, position);
        }
        for (const { id } of [producer, ...views]) {
          removed.add(id);
        }
        producer.outputs.slice(1).forEach((_, k) => {
          moved.set(outputKey(producer, k + 1), new Tensor(fused, k + 1));
        });
        if (storesBoth) {
          moved.set(keyOf(value), new Tensor(fused, producer.outputs.length));
        }
        break;
      }
    }
  }
  return order
    .filter((node) => !removed.has(node.id))
    .sort((a, b) => positionOf(a, positions) - positionOf(b, positions))
    .map((node) => replaceInputs(replaced.get(node.id) ?? node, (t) => moved.get(keyOf(t)) ?? t));
}

const isStore = ({ ref }: Binding): boolean => 'output' in ref && ref.output === 0;

/** Returns the largest number of bindings, over all variants, of a dispatch that stores output 0. */
function storeBindings(producer: Node, caps: DeviceCaps): number {
  const site = siteOf(producer);
  const counts = (producer.op?.variants ?? [])
    .filter((variant) => variant.supports?.(site, caps) ?? true)
    .flatMap((variant) => variant.dispatches(site, caps))
    .map(({ bindings }) => (bindings.some(isStore) ? bindings.length : 0));
  return Math.max(...counts);
}

const positionOf = (node: Node, positions: ReadonlyMap<number, number>): number => positions.get(node.id) ?? 0;

function matchesOf(
  node: Node,
  chain: Chain,
  readers: ReadonlyMap<string, readonly Node[]>,
  preserved: ReadonlySet<string>,
  replaced: ReadonlyMap<number, Node>,
): Match[] {
  const size = sizeOf(at(node.outputs, 0).shape);
  return chain.inputs.flatMap((chainInput) => {
    const views: Node[] = [];
    let value = chainInput;
    while (value.node.op?.isView && readers.get(keyOf(value))?.length === 1 && !preserved.has(keyOf(value))) {
      views.push(value.node);
      value = at(value.node.inputs, 0);
    }
    const producer = value.node;
    const isFree =
      !replaced.has(producer.id) && !producer.outputs.some((_, i) => preserved.has(outputKey(producer, i)));
    const storesBoth = (readers.get(keyOf(value))?.length ?? 0) > 1;
    const fits =
      producer.op?.storesOnce === true &&
      value.index === 0 &&
      producer.stage === node.stage &&
      sizeOf(value.shape) === size;
    return isFree && fits ? [{ producer, value, views, chainInput, storesBoth }] : [];
  });
}

/**
 * Returns the position of the fused node. It is the chain's, unless other nodes read the producer earlier; then it is the
 * producer's, if the other inputs of the chain are there by then. null: the two cannot be fused.
 */
function fusedPosition(
  node: Node,
  chain: Chain,
  { producer, chainInput }: Match,
  positions: ReadonlyMap<number, number>,
  readers: ReadonlyMap<string, readonly Node[]>,
): number | null {
  const end = positionOf(node, positions);
  const users = producer.outputs.flatMap((_, i) => readers.get(outputKey(producer, i)) ?? []);
  if (users.every((user) => positionOf(user, positions) >= end || user.op?.isView)) {
    const throughViews = users
      .filter((user) => user.op?.isView)
      .flatMap((view) => readers.get(outputKey(view, 0)) ?? []);
    if (throughViews.every((user) => positionOf(user, positions) >= end)) {
      return end;
    }
  }
  const start = positionOf(producer, positions);
  const rest = chain.inputs.filter((t) => t !== chainInput);
  return rest.every((t) => positionOf(t.node, positions) < start) ? start : null;
}

function fusedNode(node: Node, chain: Chain, match: Match): Node {
  const { producer, chainInput, storesBoth } = match;
  const { op, attrs, path, backward } = producer;
  if (!op) {
    throw new Error('a graph input stores nothing');
  }
  const inner = siteOf(producer);
  const rest = chain.inputs.filter((t) => t !== chainInput);
  const outputs = [resultType(chain), ...producer.outputs.slice(1), ...(storesBoth ? [at(producer.outputs, 0)] : [])];
  const fusedOp = generatedOp({
    name: op.name,
    infer: () => outputs,
    variants: op.variants.map(
      (variant): Variant => ({
        name: variant.name,
        supports: (_, caps) => variant.supports?.(inner, caps) ?? true,
        dispatches: (_, caps) => withChain(variant.dispatches(inner, caps), op, inner, chain, match),
      }),
    ),
    inner: { op, site: inner },
    reference: (inputs) => {
      const [y, ...more] = op.reference(inputs.slice(0, inner.inputs.length), inner);
      const values = new Map(rest.map((t, i) => [keyOf(t), at(inputs, inner.inputs.length + i)] as const));
      values.set(keyOf(chainInput), { shape: chainInput.shape, data: y ?? new Float64Array() });
      return [evaluateChain(chain, values), ...more, ...(storesBoth && y ? [y] : [])];
    },
    cost: (site) => ({
      flops: op.cost(inner).flops + chainFlops(chain),
      bytes: [...site.inputs, ...site.outputs].reduce((n, t) => n + byteSize(t), 0),
    }),
  });
  return { ...node, op: fusedOp, inputs: [...producer.inputs, ...rest], outputs, attrs, path, backward };
}

/** Returns `dispatches` with the chain in front of the store of output 0. @throws Error when an op breaks its promise */
function withChain(
  dispatches: readonly Dispatch[],
  op: Op,
  inner: OpSite,
  chain: Chain,
  { chainInput, storesBoth }: Match,
): Dispatch[] {
  const storing = dispatches.filter((d) => d.bindings.some(isStore));
  const [store, ...more] = storing.flatMap((d) => d.bindings.filter(isStore));
  if (!store || more.length > 0 || store.access !== 'write') {
    throw new Error(`${op.name} does not store its first output once, so no chain can be fused into its store`);
  }
  const width = store.vec ?? 1;
  const code = chainCode(chain, width, 'e_', new Map([[keyOf(chainInput), 'v']]), inner.inputs.length);
  const type = width === 4 ? 'vec4<f32>' : 'f32';
  const fusedStore = `${code.functions}
fn store_${store.name}(i: u32, v: ${type}) {
${storesBoth ? '  store_e_kept(i, v);\n' : ''}${code.statements}
  put_${store.name}(i, ${code.result});
}
`;
  const unfused: Binding = { name: 'e_kept', ref: { output: inner.outputs.length }, access: 'write', vec: width };
  return dispatches.map((d) =>
    d.bindings.some(isStore)
      ? {
          ...d,
          label: `${d.label}+${chainName(chain)}`.slice(0, 80),
          code: fusedStore + d.code,
          fusedStore: store.name,
          params: { ...d.params, ...code.params },
          bindings: [...d.bindings, ...code.bindings, ...(storesBoth ? [unfused] : [])],
        }
      : d,
  );
}
