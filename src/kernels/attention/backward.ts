/**
 * The gradients of attention to q, k and v. For each row t of a head, with the probabilities p[t,s] = exp(scale q[t]·k[s] - lse[t]),
 * dp[t,s] = dy[t]·v[s], delta[t] = y[t]·dy[t] = Σ_s p dp, and ds = scale p (dp - delta):
 *
 *   dq[t] = Σ_s ds k[s],   dk[s] = Σ_t ds q[t],   dv[s] = Σ_t p dy[t].
 *
 * The probabilities are recomputed from the forward pass's log-sum-exp `lse`. Where a kernel may bind enough buffers this
 * is one dispatch. Only the gradients asked for are computed: keys from a prompt need none.
 */
import type { Op } from '../../tensor/op.ts';
import { defineOp } from '../../tensor/op.ts';
import { at } from '../../tensor/types.ts';
import { BACKWARD_CASES } from './cases.ts';
import { attentionBackwardReference } from './reference.ts';
import type { BackwardAttrs } from './shapes.ts';
import { attentionCost, checkedSizes, differentiatedOperands, operandCount } from './shapes.ts';
import { BACKWARD_VARIANTS } from './variants.ts';

/** Matrix products of [T,D] and [D,S] size; q kᵀ and dy vᵀ are computed for queries and again for keys. */
const PRODUCTS = { query: 3, keys: 4, all: 7 };

/**
 * Operands (q, k, v, or q, kv, or qkv), y, dy, the log-sum-exp [B,H,T] (and the key mask) → the gradients of the operands that
 * `gradients` names. They have dy's dtype: f16 keys of an f32 network get f32 gradients.
 */
export const attentionBackward: Op<BackwardAttrs> = defineOp<BackwardAttrs>({
  name: 'attention_backward',
  infer: (inputs, attrs) => {
    checkedSizes(inputs, attrs);
    const { dtype } = at(inputs, operandCount(inputs, attrs) + 1);
    return differentiatedOperands({ inputs, attrs }).map((i) => ({ dtype, shape: at(inputs, i).shape }));
  },
  reference: attentionBackwardReference,
  variants: BACKWARD_VARIANTS,
  cost: (site) => attentionCost(site, PRODUCTS[site.attrs.gradients]),
  cases: BACKWARD_CASES,
});
