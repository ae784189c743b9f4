/**
 * Scaled dot-product attention of several heads, y = softmax(scale q kᵀ) v, without storing the scores. q, k and v are three
 * inputs, or packed side by side as fused projections give them. The second output is the log-sum-exp of each row of
 * scores, from which the backward op recomputes the probabilities.
 */
import type { Op } from '../../tensor/op.ts';
import { defineOp } from '../../tensor/op.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { at, byteSize } from '../../tensor/types.ts';
import { affine } from '../elementwise/unary.ts';
import { matmul } from '../matmul/matmul.ts';
import { slice } from '../slice_pad.ts';
import { softmax } from '../softmax.ts';
import { attentionBackward } from './backward.ts';
import { FORWARD_CASES } from './cases.ts';
import { attentionReference } from './reference.ts';
import type { AttentionAttrs } from './shapes.ts';
import { attentionCost, checkedSizes, operandCount } from './shapes.ts';
import { FORWARD_VARIANTS } from './variants.ts';

const attentionOp: Op<AttentionAttrs> = defineOp<AttentionAttrs>({
  name: 'attention',
  infer: (inputs, attrs) => {
    const { batch, queries, heads, head } = checkedSizes(inputs, attrs);
    return [
      { dtype: at(inputs, 0).dtype, shape: [batch, queries, heads * head] },
      { dtype: 'f32', shape: [batch, heads, queries] },
    ];
  },
  vjp: ({ inputs, outputs, attrs, grads, dy, needs }) => {
    if (grads[1]) {
      throw new Error('attention is not differentiable through its log-sum-exp');
    }
    const count = operandCount(inputs, attrs);
    const operands = inputs.slice(0, count);
    const [query, keys] = [needs[0], count > 1 && needs.slice(1, count).some(Boolean)];
    // A packed qkv has one gradient; otherwise queries or keys may come from where no gradient is needed.
    const needed = count === 1 || (query && keys) ? 'all' : query ? 'query' : 'keys';
    const gradient = (operand: number) => (): Tensor => {
      const saved = [...operands, at(outputs, 0), dy, at(outputs, 1), ...inputs.slice(count)];
      const found = attentionBackward.call(saved, { ...attrs, gradients: needed });
      return at(found, needed === 'keys' ? operand - 1 : operand);
    };
    return [...operands.map((_, i) => gradient(i)), ...(attrs.mask ? [null] : [])];
  },
  reference: attentionReference,
  variants: FORWARD_VARIANTS,
  cost: (site) => attentionCost(site, 2),
  storesOnce: true,
  cases: FORWARD_CASES,
});

/** The heads of an attention, and which keys each query sees. */
export interface AttentionOptions {
  readonly heads: number;
  /** Default 1/√D. */
  readonly scale?: number;
  /** Query t sees keys 0..t. */
  readonly causal?: boolean;
  /** f32 [B,S], 1 = attend. A row that attends to nothing gives zeros. */
  readonly keyMask?: Tensor;
}

/**
 * A single head wider than this, as autoencoders have, does not fit the registers of the attention kernels. It is computed as
 * matrix products and a softmax, with stored scores, as long as these take no more bytes (4096² in f16, 2896² in f32).
 */
const WIDE = 256;
const MAX_SCORE_BYTES = 2 ** 25;

const isWide = (width: number, { heads, causal = false, keyMask }: AttentionOptions): boolean =>
  heads === 1 && !causal && !keyMask && width > WIDE;

const scoreBytes = (q: Tensor, k: Tensor): number =>
  byteSize({ dtype: q.dtype, shape: [q.dim(0), q.dim(1), k.dim(1)] });

/**
 * softmax(scale q kᵀ) v of each head: q [B,T,H*D], k and v [B,S,H*D] → [B,T,H*D].
 * @throws Error when sizes do not fit.
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
  const { scale = 1 / Math.sqrt(q.dim(-1)) } = options;
  if (isWide(q.dim(-1), options) && scoreBytes(q, k) <= MAX_SCORE_BYTES) {
    return matmul(softmax(matmul(affine(q, scale), k, { transposeB: true })), v);
  }
  return attentionOf([q, k, v], q.dim(-1), options);
}

/**
 * Attention of tokens to each other: qkv [B,T,3*H*D], which is q, k and v one after another along the last axis, as one
 * projection gives them → [B,T,H*D]. The gradient to qkv is one [B,T,3*H*D] too.
 * @throws Error when sizes do not fit.
 */
export function selfAttention(qkv: Tensor, options: AttentionOptions): Tensor {
  const width = Math.floor(qkv.dim(-1) / 3);
  if (isWide(width, options)) {
    return attention(part(qkv, 0, width), part(qkv, 1, width), part(qkv, 2, width), options);
  }
  return attentionOf([qkv], width, options);
}

/**
 * Attention to other tokens: q [B,T,H*D], kv [B,S,2*H*D], which is k and v along the last axis → [B,T,H*D].
 * @throws Error when sizes do not fit.
 */
export function crossAttention(q: Tensor, kv: Tensor, options: AttentionOptions): Tensor {
  const width = q.dim(-1);
  if (isWide(width, options)) {
    return attention(q, part(kv, 0, width), part(kv, 1, width), options);
  }
  return attentionOf([q, kv], width, options);
}

function attentionOf(operands: readonly Tensor[], width: number, options: AttentionOptions): Tensor {
  const { heads, scale = 1 / Math.sqrt(width / heads), causal = false, keyMask } = options;
  const attrs = { heads, scale, causal, mask: Boolean(keyMask) };
  return attentionOp.one(keyMask ? [...operands, keyMask] : operands, attrs);
}

/** Part `index` of `width` channels along the last axis. */
const part = (x: Tensor, index: number, width: number): Tensor =>
  slice(x, [0, 0, index * width], [x.dim(0), x.dim(1), width]);
