/** Rewrites the nodes of a graph into fewer kernels: first gradients of norms, then pairs, then elementwise chains, then stores. */
import type { DeviceCaps } from '../device/device_caps.ts';
import { keyOf, type Node } from '../graph.ts';
import type { Tensor } from '../tensor.ts';
import { fuseElementwise } from './elementwise_fusion.ts';
import { fuseNormGradients } from './norm_gradient.ts';
import { fusePairs } from './pair_fusion.ts';
import { fuseIntoStores } from './store_fusion.ts';

/** The passes of rewriting, in the order in which they run. */
export type RewritePass = 'norm_gradients' | 'pairs' | 'elementwise' | 'stores';

/** How to rewrite. */
export interface RewriteOptions {
  /** The load stage may compute with weights, which takes them in full (not where they are kept in 8 bits). Default: true. */
  readonly weightTerms?: boolean;
  /** Is told of the nodes after each pass. */
  readonly onPass?: (pass: RewritePass, order: readonly Node[]) => void;
}

/** Returns `order` in fewer nodes. The values of `roots` and all that a later stage reads are still computed. */
export function rewrite(
  order: readonly Node[],
  roots: readonly Tensor[],
  caps: DeviceCaps,
  { weightTerms = true, onPass = () => {} }: RewriteOptions = {},
): Node[] {
  const folded = weightTerms ? fuseNormGradients(order, preservedValues(order, roots), caps) : order;
  onPass('norm_gradients', folded);
  const preserved = preservedValues(folded, roots);
  const paired = fusePairs(folded, preserved, caps);
  onPass('pairs', paired);
  const chained = fuseElementwise(paired, preserved);
  onPass('elementwise', chained.order);
  const stored = fuseIntoStores(chained, preserved, caps);
  onPass('stores', stored);
  return stored;
}

/** Returns the keys of the values that must stay in memory: outputs, new states, and all that a later stage reads. */
function preservedValues(order: readonly Node[], roots: readonly Tensor[]): Set<string> {
  const acrossStages = order.flatMap((node) => node.inputs.filter((t) => t.node.stage !== node.stage));
  return new Set([...roots, ...acrossStages].map(keyOf));
}
