/**
 * Elementwise fusion: chains of elementwise ops become one pass over memory. It makes new nodes and leaves the graph as it was
 * traced, for the interpreter.
 */

import type { Dispatch } from '../dispatch.ts';
import { keyOf, type Node, readersOf } from '../graph.ts';
import { gridOf } from '../grid.ts';
import { at, byteSize, sameShape, sizeOf } from '../types.ts';
import type { Chain } from './elementwise_chain.ts';
import {
  chainCode,
  chainFlops,
  chainName,
  chainWidth,
  distinct,
  evaluateChain,
  pointwiseOf,
  resultType,
} from './elementwise_chain.ts';
import { generatedOp } from './generated_op.ts';

/** Storage buffers that a fused kernel may read: WebGPU guarantees 8 in all, and one is the output. */
const MAX_INPUTS = 7;
const MAX_OPS = 32;
const WORKGROUP = 64;

/** The result of `fuseElementwise`. */
export interface FusedOrder {
  readonly order: readonly Node[];
  /** The chain of each elementwise node in `order`; an unfused node is a chain of one. */
  readonly chains: ReadonlyMap<Node, Chain>;
}

/**
 * Returns `order` with every chain replaced by one node, at the position of its last member. A node joins the chain of its
 * reader when nothing else reads it and both have the same stage and shape.
 * @param preserved keys of values that must stay in memory, so that no fusion removes them
 */
export function fuseElementwise(order: readonly Node[], preserved: ReadonlySet<string>): FusedOrder {
  const readers = readersOf(order);
  const chainOf = new Map<Node, Chain>();
  for (const node of order.filter((n) => pointwiseOf(n) !== null)) {
    chainOf.set(node, { nodes: [node], inputs: distinct(node.inputs) });
    for (const t of node.inputs) {
      const chain = chainOf.get(node);
      const inner = chainOf.get(t.node);
      const alone = readers.get(keyOf(t))?.length === 1 && !preserved.has(keyOf(t));
      const alike = t.node.stage === node.stage && sameShape(t.shape, at(node.outputs, 0).shape);
      if (!chain || !inner || !alone || !alike) {
        continue;
      }
      const inputs = distinct([...inner.inputs, ...chain.inputs.filter((x) => x.node !== t.node)]);
      const nodes = [...inner.nodes, ...chain.nodes].sort((a, b) => a.id - b.id);
      if (inputs.length <= MAX_INPUTS && nodes.length <= MAX_OPS) {
        chainOf.set(node, { nodes, inputs });
        chainOf.delete(t.node);
      }
    }
  }
  const chains = new Map<Node, Chain>();
  const fused = order.flatMap((node) => {
    const chain = chainOf.get(node);
    if (!chain) {
      return pointwiseOf(node) === null ? [node] : [];
    }
    const made = chain.nodes.length === 1 ? node : fusedNode(node, chain);
    chains.set(made, chain);
    return [made];
  });
  return { order: fused, chains };
}

function fusedNode(last: Node, chain: Chain): Node {
  const op = generatedOp({
    name: 'fused_elementwise',
    infer: () => last.outputs,
    reference: (inputs) => [
      evaluateChain(chain, new Map(chain.inputs.map((t, i) => [keyOf(t), at(inputs, i)] as const))),
    ],
    variants: [{ name: 'fused', dispatches: () => [fusedDispatch(chain)] }],
    cost: (site) => ({
      flops: chainFlops(chain),
      bytes: [...site.inputs, ...site.outputs].reduce((n, t) => n + byteSize(t), 0),
    }),
  });
  return { ...last, op, inputs: chain.inputs, attrs: {} };
}

function fusedDispatch(chain: Chain): Dispatch {
  const width = chainWidth(chain);
  const code = chainCode(chain, width, '');
  const size = sizeOf(resultType(chain).shape) / width;
  return {
    label: `fused.${chainName(chain)}`.slice(0, 80),
    code: `${code.functions}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * ${WORKGROUP}u;
  if (i >= params.size) {
    return;
  }
${code.statements}
  store_y(i, ${code.result});
}`,
    params: { size, ...code.params },
    bindings: [...code.bindings, { name: 'y', ref: { output: 0 }, access: 'write', vec: width }],
    workgroups: gridOf(Math.ceil(size / WORKGROUP)),
  };
}
