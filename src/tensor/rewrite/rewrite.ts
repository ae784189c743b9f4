/** Rewrites the nodes of a graph into fewer kernels: first gradients of norms, then pairs, then elementwise chains, then stores. */
import type { DeviceCaps } from '../device_caps.ts';
import { keyOf, type Node } from '../graph.ts';
import type { Tensor } from '../tensor.ts';
import { fuseElementwise } from './elementwise_fusion.ts';
import { fuseNormGradients } from './norm_gradient.ts';
import { fusePairs } from './pair_fusion.ts';
import { fuseIntoStores } from './store_fusion.ts';

/**
 * Returns `order` in fewer nodes. The values of `roots` and all that a later stage reads are still computed.
 * @param options `weightTerms`: the load stage may compute with weights, which takes them in full (not where they are kept in 8 bits)
 */
export function rewrite(
  order: readonly Node[],
  roots: readonly Tensor[],
  caps: DeviceCaps,
  { weightTerms = true }: { readonly weightTerms?: boolean } = {},
): Node[] {
  const folded = weightTerms ? fuseNormGradients(order, preservedValues(order, roots), caps) : order;
  const preserved = preservedValues(folded, roots);
  return fuseIntoStores(fuseElementwise(fusePairs(folded, preserved, caps), preserved), preserved, caps);
}

/** Returns the keys of the values that must stay in memory: outputs, new states, and all that a later stage reads. */
function preservedValues(order: readonly Node[], roots: readonly Tensor[]): Set<string> {
  const acrossStages = order.flatMap((node) => node.inputs.filter((t) => t.node.stage !== node.stage));
  return new Set([...roots, ...acrossStages].map(keyOf));
}
