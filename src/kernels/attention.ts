/**
 * Scaled dot-product attention of several heads, y = softmax(scale q kᵀ) v, scores never stored; and its gradients.
 * The forward op also returns the log-sum-exp of each row, from which the backward ops recompute probabilities.
 * Query and key/value gradients are two ops, because keys of a cross-attention often need none.
 */
import type { Binding, Dispatch, HostArray, Op, OpCase, OpSite, Variant } from '../tensor/op.ts';
import { defineOp } from '../tensor/op.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Shape, TensorType } from '../tensor/types.ts';
import { at, byteSize, sameShape, sizeOf } from '../tensor/types.ts';
import {
  ATTENTION_BACKWARD_KEY_VALUE_V4,
  ATTENTION_BACKWARD_QUERY_V4,
  ATTENTION_V4,
  ROW_CHUNKS,
} from './common/attention_row_wgsl.ts';
import {
  ATTENTION_BACKWARD_KEY_VALUE_V1,
  ATTENTION_BACKWARD_QUERY_V1,
  ATTENTION_DELTA_V1,
  ATTENTION_V1,
  keyMaskCode,
} from './common/attention_wgsl.ts';
import { canStoreOne } from './common/site.ts';
import { hasSubgroupTile, TILE_LANES } from './common/subgroup_tile.ts';
import { matmul } from './matmul.ts';
import { softmax } from './softmax.ts';
import { affine } from './unary.ts';

type AttentionAttrs = {
  readonly heads: number;
  readonly scale: number;
  /** Query t sees keys 0..t (counted from the start, as torch does when T ≠ S). */
  readonly causal: boolean;
  /** Whether the last input is a key mask [B,S], 1 = attend. */
  readonly mask: boolean;
};
type DeltaAttrs = { readonly heads: number };

interface Sizes {
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
  readonly heads: number;
  readonly head: number;
}

function sizesOf(q: Shape, k: Shape, heads: number): Sizes {
  return { batch: at(q, 0), queries: at(q, 1), keys: at(k, 1), heads, head: at(q, 2) / heads };
}

const siteSizes = (site: OpSite<AttentionAttrs>): Sizes =>
  sizesOf(at(site.inputs, 0).shape, at(site.inputs, 1).shape, site.attrs.heads);

/** Checks q, k, v and the mask, which is the last of `inputs`. @throws Error saying what is wrong. */
function checked(inputs: readonly TensorType[], attrs: AttentionAttrs, count: number): Sizes {
  if (inputs.length !== count + Number(attrs.mask)) {
    throw new Error(`needs ${count + Number(attrs.mask)} inputs`);
  }
  const [q, k, v] = [at(inputs, 0).shape, at(inputs, 1).shape, at(inputs, 2).shape];
  if (q.length !== 3 || k.length !== 3 || q[0] !== k[0] || q[2] !== k[2] || !sameShape(k, v)) {
    throw new Error('needs q [B,T,H*D] and k, v [B,S,H*D]');
  }
  if (at(q, 2) % attrs.heads !== 0) {
    throw new Error(`${q[2]} channels do not divide into ${attrs.heads} heads`);
  }
  if (attrs.mask && !sameShape(at(inputs, count).shape, [at(k, 0), at(k, 1)])) {
    throw new Error(`the key mask must be [${k[0]},${k[1]}]`);
  }
  return sizesOf(q, k, attrs.heads);
}

/** Probability rows in f64: calls `visit` for each (query row, its head offset, keys seen with their scores). */
function eachRow(
  inputs: readonly HostArray[],
  site: OpSite<AttentionAttrs>,
  visit: (row: number, q: number, keys: { key: number; score: number }[]) => void,
): void {
  const { batch, queries, keys, heads, head } = siteSizes(site);
  const { causal, mask, scale } = site.attrs;
  const [q, k] = [at(inputs, 0).data, at(inputs, 1).data];
  const allowed = mask ? at(inputs, inputs.length - 1).data : null;
  for (let row = 0; row < batch * heads * queries; row++) {
    const t = row % queries;
    const h = Math.floor(row / queries) % heads;
    const b = Math.floor(row / (queries * heads));
    const from = ((b * queries + t) * heads + h) * head;
    const seen: { key: number; score: number }[] = [];
    for (let s = 0; s < (causal ? Math.min(keys, t + 1) : keys); s++) {
      if (!allowed || at(allowed, b * keys + s) > 0.5) {
        const key = ((b * keys + s) * heads + h) * head;
        seen.push({ key, score: scale * dot(q, from, k, key, head) });
      }
    }
    visit(row, from, seen);
  }
}

function dot(x: Float64Array, i: number, y: Float64Array, j: number, n: number): number {
  let sum = 0;
  for (let d = 0; d < n; d++) {
    sum += at(x, i + d) * at(y, j + d);
  }
  return sum;
}

/** y[j..] += factor x[i..] over n elements. */
function addScaled(y: Float64Array, j: number, factor: number, x: Float64Array, i: number, n: number): void {
  for (let d = 0; d < n; d++) {
    y[j + d] = at(y, j + d) + factor * at(x, i + d);
  }
}

function forwardReference(inputs: readonly HostArray[], site: OpSite<AttentionAttrs>): Float64Array[] {
  const { batch, queries, heads, head } = siteSizes(site);
  const y = new Float64Array(batch * queries * heads * head);
  const lse = new Float64Array(batch * heads * queries);
  eachRow(inputs, site, (row, from, seen) => {
    if (seen.length > 0) {
      const highest = Math.max(...seen.map((x) => x.score));
      const log = highest + Math.log(seen.reduce((sum, x) => sum + Math.exp(x.score - highest), 0));
      lse[row] = log;
      for (const { key, score } of seen) {
        addScaled(y, from, Math.exp(score - log), at(inputs, 2).data, key, head);
      }
    }
  });
  return [y, lse];
}

/** dq, dk and dv from q, k, v, dy, lse, delta (and a mask). */
function backwardReference(inputs: readonly HostArray[], site: OpSite<AttentionAttrs>): Float64Array[] {
  const [q, k, v, dy, lse, delta] = [0, 1, 2, 3, 4, 5].map((i) => at(inputs, i).data);
  if (!q || !k || !v || !dy || !lse || !delta) {
    throw new Error('attention backward needs six inputs');
  }
  const { head } = siteSizes(site);
  const { scale } = site.attrs;
  const [dq, dk, dv] = [new Float64Array(q.length), new Float64Array(k.length), new Float64Array(k.length)];
  eachRow(inputs, site, (row, from, seen) => {
    for (const { key, score } of seen) {
      const p = Math.exp(score - at(lse, row));
      const ds = p * (dot(dy, from, v, key, head) - at(delta, row)) * scale;
      addScaled(dq, from, ds, k, key, head);
      addScaled(dk, key, ds, q, from, head);
      addScaled(dv, key, p, dy, from, head);
    }
  });
  return [dq, dk, dv];
}

const bytesOf = (site: OpSite): number => [...site.inputs, ...site.outputs].reduce((sum, t) => sum + byteSize(t), 0);

/** `products` matrix products of [T,D] and [D,S] size a head; causal ones are counted in full, as is usual. */
function costOf(site: OpSite<AttentionAttrs>, products: number): { flops: number; bytes: number } {
  const { batch, queries, keys, heads, head } = siteSizes(site);
  return { flops: products * 2 * batch * heads * queries * keys * head, bytes: bytesOf(site) };
}

const read = (name: string, input: number, vec: 1 | 4 = 1): Binding => ({ name, ref: { input }, access: 'read', vec });
const write = (name: string, output: number, vec: 1 | 4 = 1): Binding => ({
  name,
  ref: { output },
  access: 'write',
  vec,
});

/** One kernel in two makes: `v1` for any head size, `v4` for CPU drivers with subgroups of 8 where D is a multiple of 8. */
interface Kernel {
  readonly name: string;
  readonly v1: string;
  readonly v4: string;
  readonly bindings: readonly Binding[];
  /** Largest head of v4 where there is little to compute: its loops are unrolled, and LLVM takes long for longer ones. */
  readonly longest: number;
  /** What an invocation is: a query row or a key row. */
  readonly rows: 'queries' | 'keys';
}

function variantsOf(kernel: Kernel): Record<'v4' | 'v1', Variant<AttentionAttrs>> {
  const dispatches = (site: OpSite<AttentionAttrs>, variant: 'v1' | 'v4'): Dispatch[] => {
    const { batch, queries, keys, heads, head } = siteSizes(site);
    const { causal, mask, scale } = site.attrs;
    const rows = kernel.rows === 'queries' ? queries : keys;
    const code = variant === 'v4' ? kernel.v4 + ROW_CHUNKS : kernel.v1;
    return [
      {
        label: `${kernel.name}.${variant}`,
        code: code + keyMaskCode(mask),
        constants: variant === 'v4' ? { HEAD: head, CHUNKS: head / 8 } : { HEAD: head },
        params: { queries, keys, heads, causal: Number(causal), scale: { f32: scale } },
        bindings: mask ? [...kernel.bindings, read('mask', site.inputs.length - 1)] : kernel.bindings,
        workgroups: [Math.ceil(rows / (variant === 'v4' ? TILE_LANES : 32)), heads, batch],
      },
    ];
  };
  return {
    v4: {
      supports: (site, caps) =>
        hasSubgroupTile(caps) && siteSizes(site).head % 8 === 0 && siteSizes(site).head <= longestHead(kernel, site),
      dispatches: (site) => dispatches(site, 'v4'),
    },
    v1: {
      supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
      dispatches: (site) => dispatches(site, 'v1'),
    },
  };
}

/** Scores from which on a minute of LLVM pays, for heads of up to LONGEST. */
const MANY_SCORES = 1 << 20;
const LONGEST = 80;

function longestHead(kernel: Kernel, site: OpSite<AttentionAttrs>): number {
  const { batch, heads, queries, keys } = siteSizes(site);
  return batch * heads * queries * keys >= MANY_SCORES ? LONGEST : kernel.longest;
}

const BACKWARD_INPUTS: readonly Binding[] = ['q', 'k', 'v', 'dy', 'lse', 'delta'].map((name, i) => read(name, i));

/** Shapes all the ops are tested on. */
const SIZES: readonly { name: string; batch: number; t: number; s: number; head: number; attrs: AttentionAttrs }[] = [
  { name: 'self', batch: 1, t: 9, s: 9, head: 8, attrs: attrsOf(2) },
  { name: 'cross, two images', batch: 2, t: 5, s: 7, head: 4, attrs: attrsOf(3) },
  { name: 'causal', batch: 1, t: 7, s: 7, head: 8, attrs: attrsOf(2, { causal: true }) },
  { name: 'key mask', batch: 2, t: 4, s: 6, head: 4, attrs: attrsOf(2, { mask: true }) },
  {
    name: 'causal and key mask, odd head',
    batch: 2,
    t: 6,
    s: 6,
    head: 5,
    attrs: attrsOf(1, { causal: true, mask: true }),
  },
  { name: 'causal and key mask', batch: 2, t: 11, s: 11, head: 8, attrs: attrsOf(1, { causal: true, mask: true }) },
  { name: 'head of 32', batch: 1, t: 6, s: 5, head: 32, attrs: attrsOf(2) },
  { name: 'head of 40', batch: 1, t: 3, s: 5, head: 40, attrs: attrsOf(1) },
  { name: 'head of 64, more rows than a workgroup', batch: 1, t: 37, s: 3, head: 64, attrs: attrsOf(1) },
  { name: 'head of 40, many scores', batch: 1, t: 1024, s: 1024, head: 40, attrs: attrsOf(1) },
  { name: 'more keys than a workgroup, own scale', batch: 1, t: 2, s: 35, head: 8, attrs: attrsOf(1, { scale: 0.7 }) },
];

function attrsOf(heads: number, more: Partial<AttentionAttrs> = {}): AttentionAttrs {
  return { heads, scale: 0.35, causal: false, mask: false, ...more };
}

/** Keys and values in f16. */
const HALF_BACKWARD: OpCase<AttentionAttrs> = {
  name: 'f16 keys and values',
  inputs: [
    { shape: [1, 3, 16] },
    { shape: [1, 4, 16], dtype: 'f16' },
    { shape: [1, 4, 16], dtype: 'f16' },
    { shape: [1, 3, 16] },
    { shape: [1, 2, 3] },
    { shape: [1, 2, 3] },
  ],
  attrs: attrsOf(2),
};

function caseOf({ name, batch, t, s, head, attrs }: (typeof SIZES)[number], backward: boolean): OpCase<AttentionAttrs> {
  // Finite differences of a million scores take hours; the smaller cases check the same rules.
  const grad = batch * attrs.heads * t * s >= MANY_SCORES ? { grad: [] } : {};
  const query = { shape: [batch, t, attrs.heads * head] };
  const key = { shape: [batch, s, attrs.heads * head] };
  const row = { shape: [batch, attrs.heads, t] };
  const mask = attrs.mask ? [{ shape: [batch, s], fill: 'mask' as const }] : [];
  return { name, inputs: [query, key, key, ...(backward ? [query, row, row] : []), ...mask], attrs, ...grad };
}

export const attentionOp: Op<AttentionAttrs> = defineOp<AttentionAttrs>({
  name: 'attention',
  infer: (inputs, attrs) => {
    const { batch, queries, heads } = checked(inputs, attrs, 3);
    const q = at(inputs, 0);
    return [
      { dtype: q.dtype, shape: q.shape },
      { dtype: 'f32', shape: [batch, heads, queries] },
    ];
  },
  vjp: ({ inputs, outputs, attrs, grads, dy }) => {
    if (grads[1]) {
      throw new Error('attention is not differentiable through its log-sum-exp');
    }
    const saved = (): Tensor[] => {
      const [q, k, v, ...mask] = inputs;
      const delta = attentionDelta.one([at(outputs, 0), dy], { heads: attrs.heads });
      return [q, k, v, dy, outputs[1], delta, ...mask].flatMap((t) => t ?? []);
    };
    return [
      () => attentionBackwardQuery.one(saved(), attrs),
      () => at(attentionBackwardKeyValue.call(saved(), attrs), 0),
      () => at(attentionBackwardKeyValue.call(saved(), attrs), 1),
      ...(attrs.mask ? [null] : []),
    ];
  },
  reference: forwardReference,
  variants: variantsOf({
    name: 'attention',
    v1: ATTENTION_V1,
    v4: ATTENTION_V4,
    bindings: [read('q', 0), read('k', 1), read('v', 2), write('y', 0), write('lse', 1)],
    rows: 'queries',
    longest: 64,
  }),
  cost: (site) => costOf(site, 2),
  cases: [
    ...SIZES.map((size) => caseOf(size, false)),
    {
      name: 'f16',
      inputs: [{ shape: [1, 3, 16] }, { shape: [1, 4, 16], dtype: 'f16' }, { shape: [1, 4, 16], dtype: 'f16' }],
      attrs: attrsOf(2),
    },
  ],
});

/** y · dy of each row of each head: [B,H,T]. */
export const attentionDelta: Op<DeltaAttrs> = defineOp<DeltaAttrs>({
  name: 'attention_delta',
  infer: ([y, dy], { heads }) => {
    if (!y || !dy || y.shape.length !== 3 || !sameShape(y.shape, dy.shape) || at(y.shape, 2) % heads !== 0) {
      throw new Error('needs y and dy [B,T,H*D]');
    }
    return [{ dtype: 'f32', shape: [at(y.shape, 0), heads, at(y.shape, 1)] }];
  },
  reference: ([y, dy], { attrs: { heads } }) => {
    if (!y || !dy) {
      throw new Error('attention_delta needs two inputs');
    }
    const { batch, queries, head } = sizesOf(y.shape, y.shape, heads);
    const rows = Float64Array.from({ length: batch * heads * queries }, (_, row) => {
      const t = row % queries;
      const h = Math.floor(row / queries) % heads;
      const from = ((Math.floor(row / (queries * heads)) * queries + t) * heads + h) * head;
      return dot(y.data, from, dy.data, from, head);
    });
    return [rows];
  },
  variants: {
    v1: {
      dispatches: (site) => {
        const y = at(site.inputs, 0).shape;
        const { batch, queries, heads, head } = sizesOf(y, y, site.attrs.heads);
        return [
          {
            label: 'attention_delta.v1',
            code: ATTENTION_DELTA_V1,
            params: { queries, heads, head },
            bindings: [read('y', 0), read('dy', 1), write('delta', 0)],
            workgroups: [Math.ceil(queries / 32), heads, batch],
          },
        ];
      },
    },
  },
  cost: (site) => ({ flops: 2 * sizeOf(at(site.inputs, 0).shape), bytes: bytesOf(site) }),
  cases: [
    { inputs: [{ shape: [2, 5, 12] }, { shape: [2, 5, 12] }], attrs: { heads: 3 } },
    { name: 'odd', inputs: [{ shape: [1, 3, 7] }, { shape: [1, 3, 7] }], attrs: { heads: 1 } },
  ],
});

/** A gradient is stored as the cotangent dy is: f16 keys of an f32 network get f32 gradients. */
function gradientOf(inputs: readonly TensorType[], index: number): TensorType {
  return { dtype: at(inputs, 3).dtype, shape: at(inputs, index).shape };
}

/** dq from q, k, v, dy, lse, delta (and the key mask). */
export const attentionBackwardQuery: Op<AttentionAttrs> = defineOp<AttentionAttrs>({
  name: 'attention_backward_query',
  infer: (inputs, attrs) => {
    checked(inputs, attrs, 6);
    return [gradientOf(inputs, 0)];
  },
  reference: (inputs, site) => backwardReference(inputs, site).slice(0, 1),
  variants: variantsOf({
    name: 'attention_backward_query',
    v1: ATTENTION_BACKWARD_QUERY_V1,
    v4: ATTENTION_BACKWARD_QUERY_V4,
    bindings: [...BACKWARD_INPUTS, write('dq', 0)],
    rows: 'queries',
    longest: 64,
  }),
  cost: (site) => costOf(site, 3),
  cases: [...SIZES.map((size) => caseOf(size, true)), HALF_BACKWARD],
});

/** dk and dv from q, k, v, dy, lse, delta (and the key mask). */
export const attentionBackwardKeyValue: Op<AttentionAttrs> = defineOp<AttentionAttrs>({
  name: 'attention_backward_key_value',
  infer: (inputs, attrs) => {
    checked(inputs, attrs, 6);
    return [gradientOf(inputs, 1), gradientOf(inputs, 2)];
  },
  reference: (inputs, site) => backwardReference(inputs, site).slice(1),
  variants: variantsOf({
    name: 'attention_backward_key_value',
    v1: ATTENTION_BACKWARD_KEY_VALUE_V1,
    v4: ATTENTION_BACKWARD_KEY_VALUE_V4,
    bindings: [...BACKWARD_INPUTS, write('dk', 0), write('dv', 1)],
    rows: 'keys',
    longest: 32,
  }),
  cost: (site) => costOf(site, 4),
  cases: [...SIZES.map((size) => caseOf(size, true)), HALF_BACKWARD],
});

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
 * One head of this width, as autoencoders have, does not fit the registers of the kernels above, and its scores are few
 * beside it: they are stored, up to this many bytes (4096² in f16, 2896² in f32).
 */
const WIDE = 256;
const FEW_BYTES = 2 ** 25;

const scoreBytes = (q: Tensor, k: Tensor): number =>
  byteSize({ dtype: q.dtype, shape: [q.dim(0), q.dim(1), k.dim(1)] });

/**
 * softmax(scale q kᵀ) v of each head: q [B,T,H*D], k and v [B,S,H*D] → [B,T,H*D].
 * @throws Error when sizes do not fit.
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
  const { heads, scale = 1 / Math.sqrt(q.dim(-1) / heads), causal = false, keyMask } = options;
  if (heads === 1 && !causal && !keyMask && q.dim(-1) > WIDE && scoreBytes(q, k) <= FEW_BYTES) {
    return matmul(softmax(matmul(affine(q, scale), k, { transposeB: true })), v);
  }
  return attentionOp.one(keyMask ? [q, k, v, keyMask] : [q, k, v], { heads, scale, causal, mask: Boolean(keyMask) });
}
