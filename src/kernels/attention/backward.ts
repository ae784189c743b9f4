/**
 * The gradients of attention to q, k and v, in one dispatch where a kernel may have ten buffers: probabilities are recomputed from the scores and the
 * forward pass's log-sum-exp, y · dy in passing. Only what is wanted is computed: keys from a prompt need no gradient.
 */
import type { Op } from '../../tensor/op.ts';
import { defineOp } from '../../tensor/op.ts';
import { at } from '../../tensor/types.ts';
import { BACKWARD_CASES } from './cases.ts';
import { attentionBackwardReference } from './reference.ts';
import type { BackwardAttrs } from './site.ts';
import { attentionCost, checkedSizes, operandCount, wantedOperands } from './site.ts';
import { BACKWARD_VARIANTS } from './variants.ts';

/** Products of [T,D] and [D,S] size: q kᵀ and dy vᵀ are computed for queries and again for keys. */
const PRODUCTS = { query: 3, keys: 4, all: 7 };

/**
 * Gradients of the wanted operands from the operands (q, k, v, or q, kv, or qkv), y, dy, the log-sum-exp [B,H,T]
 * (and the key mask). They are stored as dy is: f16 keys of an f32 network get f32 gradients.
 */
export const attentionBackward: Op<BackwardAttrs> = defineOp<BackwardAttrs>({
  name: 'attention_backward',
  infer: (inputs, attrs) => {
    checkedSizes(inputs, attrs);
    const { dtype } = at(inputs, operandCount(inputs, attrs) + 1);
    return wantedOperands({ inputs, attrs }).map((i) => ({ dtype, shape: at(inputs, i).shape }));
  },
  reference: attentionBackwardReference,
  variants: BACKWARD_VARIANTS,
  cost: (site) => attentionCost(site, PRODUCTS[site.attrs.wants]),
  cases: BACKWARD_CASES,
});
