/**
 * Rewrite before planning: chains of elementwise ops become one pass over memory.
 * Works on nodes, not on the graph, so the trace (and the interpreter's view of it) stays as it was written.
 */

import type { Dispatch } from '../dispatch.ts';
import { keyOf, type Node, readersOf } from '../graph.ts';
import { gridOf } from '../grid.ts';
import type { Op } from '../op.ts';
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

/** Storage buffers a fused kernel may read; WebGPU guarantees 8 in all, one is the output. */
const MAX_INPUTS = 7;
const MAX_OPS = 32;
const WORKGROUP = 64;

/** What became of an order's elementwise nodes. */
export interface Fused {
  readonly order: readonly Node[];
  /** The chain behind each elementwise node that is left, fused or alone. */
  readonly chains: ReadonlyMap<Node, Chain>;
}

/**
 * `order` with every fusable chain replaced by one node, in the place of its last member.
 * A member is swallowed when only the chain reads it, it is of the same stage and shape, and it is not in `kept`.
 */
export function fuseElementwise(order: readonly Node[], kept: ReadonlySet<string>): Fused {
  const readers = readersOf(order);
  const groups = new Map<Node, Chain>();
  for (const node of order.filter((n) => pointwiseOf(n) !== null)) {
    groups.set(node, { nodes: [node], inputs: distinct(node.inputs) });
    for (const t of node.inputs) {
      const mine = groups.get(node);
      const other = groups.get(t.node);
      const alone = readers.get(keyOf(t))?.length === 1 && !kept.has(keyOf(t));
      const alike = t.node.stage === node.stage && sameShape(t.shape, at(node.outputs, 0).shape);
      if (!mine || !other || !alone || !alike) {
        continue;
      }
      const inputs = distinct([...other.inputs, ...mine.inputs.filter((x) => x.node !== t.node)]);
      const nodes = [...other.nodes, ...mine.nodes].sort((a, b) => a.id - b.id);
      if (inputs.length <= MAX_INPUTS && nodes.length <= MAX_OPS) {
        groups.set(node, { nodes, inputs });
        groups.delete(t.node);
      }
    }
  }
  const chains = new Map<Node, Chain>();
  const fused = order.flatMap((node) => {
    const chain = groups.get(node);
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
  const op: Op = {
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
    cases: [],
    call: madeByPlanner,
    one: madeByPlanner,
  };
  return { ...last, op, inputs: chain.inputs, attrs: {} };
}

export function madeByPlanner(): never {
  throw new Error('a fused op is made by the planner, not traced');
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
