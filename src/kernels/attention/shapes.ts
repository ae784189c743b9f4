/** Attributes of the attention ops, how q, k and v come packed, and the sizes of one use of them. */
import type { Cost, OpSite } from '../../tensor/op.ts';
import type { TensorType } from '../../tensor/types.ts';
import { at, byteSize, sameShape } from '../../tensor/types.ts';

export type AttentionAttrs = {
  readonly heads: number;
  readonly scale: number;
  /** Query t sees keys 0..t (counted from the start, as torch does when T ≠ S). */
  readonly causal: boolean;
  /** Whether the last input is a key mask [B,S], 1 = attend. */
  readonly mask: boolean;
};

/** The gradients that the backward op returns: of the queries, of keys and values, or of both. */
export type Gradients = 'query' | 'keys' | 'all';
export type BackwardAttrs = AttentionAttrs & { readonly gradients: Gradients };
export type AttentionSite = OpSite<AttentionAttrs> | OpSite<BackwardAttrs>;

/**
 * How q [B,T,C], k and v [B,S,C] come, C = H*D: `qkv` is one input [B,T,3C] and `kv` one [B,S,2C], one after another
 * along the last axis, as a fused projection gives them. Gradients have the form of their operands.
 */
export type Packing = 'none' | 'kv' | 'qkv';

export interface AttentionSizes {
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
  readonly heads: number;
  readonly head: number;
  readonly packing: Packing;
}

/** Inputs of the backward op between the operands and the mask: y, dy and the log-sum-exp. */
const SAVED = 3;

const PACKINGS: readonly Packing[] = ['qkv', 'kv', 'none'];

const isBackward = (attrs: AttentionAttrs | BackwardAttrs): attrs is BackwardAttrs => 'gradients' in attrs;

/** How many inputs q, k and v take: 1 packed, 2 with k and v packed, or 3. */
export function operandCount(inputs: readonly unknown[], attrs: AttentionAttrs | BackwardAttrs): number {
  return inputs.length - Number(attrs.mask) - (isBackward(attrs) ? SAVED : 0);
}

/** @throws Error saying which input does not fit. */
export function checkedSizes(inputs: readonly TensorType[], attrs: AttentionAttrs | BackwardAttrs): AttentionSizes {
  const count = operandCount(inputs, attrs);
  const packing = PACKINGS[count - 1];
  if (!packing || inputs.slice(0, count).some((t) => t.shape.length !== 3)) {
    throw new Error('needs q [B,T,H*D] and k, v [B,S,H*D], or kv [B,S,2*H*D], or all in one [B,T,3*H*D]');
  }
  const sizes = sizesOf(inputs, attrs, packing);
  const { batch, queries, keys, heads, head } = sizes;
  const width = heads * head;
  const operands = operandShapes(sizes);
  operands.forEach((shape, i) => {
    if (!sameShape(shape, at(inputs, i).shape)) {
      const name = at(OPERAND_NAMES[packing], i);
      throw new Error(`${name} is [${at(inputs, i).shape.join(',')}], expected [${shape.join(',')}]`);
    }
  });
  if (!Number.isInteger(head)) {
    throw new Error(`${width} channels do not divide into ${heads} heads`);
  }
  if (isBackward(attrs)) {
    const row = [batch, queries, width];
    const expected = [row, row, [batch, heads, queries]];
    expected.forEach((shape, i) => {
      const given = at(inputs, count + i).shape;
      if (!sameShape(shape, given)) {
        throw new Error(`${at(['y', 'dy', 'lse'], i)} is [${given.join(',')}], expected [${shape.join(',')}]`);
      }
    });
    if (packing === 'qkv' && attrs.gradients !== 'all') {
      throw new Error("a packed qkv has one gradient: ask for 'all'");
    }
  }
  if (attrs.mask && !sameShape(at(inputs, inputs.length - 1).shape, [batch, keys])) {
    throw new Error(`the key mask must be [${batch},${keys}]`);
  }
  return sizes;
}

/** Sizes of a site whose inputs `checkedSizes` has accepted. */
export function siteSizes(site: AttentionSite): AttentionSizes {
  return sizesOf(site.inputs, site.attrs, at(PACKINGS, operandCount(site.inputs, site.attrs) - 1));
}

function sizesOf(inputs: readonly TensorType[], attrs: AttentionAttrs, packing: Packing): AttentionSizes {
  const q = at(inputs, 0).shape;
  const k = packing === 'qkv' ? q : at(inputs, 1).shape;
  const width = at(q, 2) / (packing === 'qkv' ? 3 : 1);
  const { heads } = attrs;
  return { batch: at(q, 0), queries: at(q, 1), keys: at(k, 1), heads, head: width / heads, packing };
}

export const OPERAND_NAMES: Readonly<Record<Packing, readonly string[]>> = {
  none: ['q', 'k', 'v'],
  kv: ['q', 'kv'],
  qkv: ['qkv'],
};

export function operandShapes({ batch, queries, keys, heads, head, packing }: AttentionSizes): number[][] {
  const width = heads * head;
  const q = [batch, queries, width];
  const k = [batch, keys, width];
  return { none: [q, k, k], kv: [q, [batch, keys, 2 * width]], qkv: [[batch, queries, 3 * width]] }[packing];
}

/** Indices of the operands whose gradients are the outputs of the backward op, in order. */
export function differentiatedOperands({ inputs, attrs }: Pick<OpSite<BackwardAttrs>, 'inputs' | 'attrs'>): number[] {
  const all = Array.from({ length: operandCount(inputs, attrs) }, (_, i) => i);
  return { all, query: [0], keys: all.slice(1) }[attrs.gradients];
}

/** `products` matrix products of [T,D] and [D,S] size a head; causal ones are counted in full, as is usual. */
export function attentionCost(site: AttentionSite, products: number): Cost {
  const { batch, queries, keys, heads, head } = siteSizes(site);
  const bytes = [...site.inputs, ...site.outputs].reduce((sum, t) => sum + byteSize(t), 0);
  return { flops: products * 2 * batch * heads * queries * keys * head, bytes };
}
