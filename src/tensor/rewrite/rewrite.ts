/** All rewriting of a graph's nodes into fewer kernels: pairs joined, chains fused, chains put into stores. */

import type { DeviceCaps } from '../device_caps.ts';
import { keyOf, type Node } from '../graph.ts';
import type { Tensor } from '../tensor.ts';
import { fuseElementwise } from './elementwise_fusion.ts';
import { joinPairs } from './pair_fusion.ts';
import { absorbIntoStores } from './store_fusion.ts';

/** `order` in fewer nodes; `roots` and what a later stage reads are among what they make. */
export function rewrite(order: readonly Node[], roots: readonly Tensor[], caps: DeviceCaps): Node[] {
  const kept = mustExist(order, roots);
  return absorbIntoStores(fuseElementwise(joinPairs(order, kept, caps), kept), kept, caps);
}

/** Values that cannot vanish into a fused kernel: outputs, new states, and what a later stage reads. */
function mustExist(order: readonly Node[], roots: readonly Tensor[]): Set<string> {
  const across = order.flatMap((node) => node.inputs.filter((t) => t.node.stage !== node.stage));
  return new Set([...roots, ...across].map(keyOf));
}
