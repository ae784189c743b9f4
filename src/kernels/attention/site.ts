/** What the attention ops share: attributes, checks, and where q, k and v lie in their inputs. */
import type { Binding, Param } from '../../tensor/dispatch.ts';
import type { OpSite } from '../../tensor/op.ts';
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

/** Which gradients are wanted: of the queries, of keys and values, or of both. */
export type Wants = 'query' | 'keys' | 'all';
/** What a dispatch of the backward op computes: all that is wanted, or a part where buffers are few. */
export type Part = Wants | 'dk' | 'dv';
export type BackwardAttrs = AttentionAttrs & { readonly wants: Wants };

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

const isBackward = (attrs: AttentionAttrs | BackwardAttrs): attrs is BackwardAttrs => 'wants' in attrs;

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
      const name = at({ none: ['q', 'k', 'v'], kv: ['q', 'kv'], qkv: ['qkv'] }[packing], i);
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
    if (packing === 'qkv' && attrs.wants !== 'all') {
      throw new Error('a packed qkv has one gradient: want all of it');
    }
  }
  if (attrs.mask && !sameShape(at(inputs, inputs.length - 1).shape, [batch, keys])) {
    throw new Error(`the key mask must be [${batch},${keys}]`);
  }
  return sizes;
}

/** Sizes of a site that `checkedSizes` has let pass. */
export function siteSizes(site: OpSite<AttentionAttrs> | OpSite<BackwardAttrs>): AttentionSizes {
  return sizesOf(site.inputs, site.attrs, at(PACKINGS, operandCount(site.inputs, site.attrs) - 1));
}

function sizesOf(inputs: readonly TensorType[], attrs: AttentionAttrs, packing: Packing): AttentionSizes {
  const q = at(inputs, 0).shape;
  const k = packing === 'qkv' ? q : at(inputs, 1).shape;
  const width = at(q, 2) / (packing === 'qkv' ? 3 : 1);
  const { heads } = attrs;
  return { batch: at(q, 0), queries: at(q, 1), keys: at(k, 1), heads, head: width / heads, packing };
}

export function operandShapes({ batch, queries, keys, heads, head, packing }: AttentionSizes): number[][] {
  const width = heads * head;
  const q = [batch, queries, width];
  const k = [batch, keys, width];
  return { none: [q, k, k], kv: [q, [batch, keys, 2 * width]], qkv: [[batch, queries, 3 * width]] }[packing];
}

/** `products` matrix products of [T,D] and [D,S] size a head; causal ones are counted in full, as is usual. */
export function attentionCost(
  site: OpSite<AttentionAttrs> | OpSite<BackwardAttrs>,
  products: number,
): { flops: number; bytes: number } {
  const { batch, queries, keys, heads, head } = siteSizes(site);
  const bytes = [...site.inputs, ...site.outputs].reduce((sum, t) => sum + byteSize(t), 0);
  return { flops: products * 2 * batch * heads * queries * keys * head, bytes };
}

type Vec = 1 | 4;
const read = (name: string, input: number, vec: Vec): Binding => ({ name, ref: { input }, access: 'read', vec });
const write = (name: string, output: number, vec: Vec): Binding => ({ name, ref: { output }, access: 'write', vec });

/** Names of the operands' bindings; a gradient's is the same with a d before it. */
const NAMES: Readonly<Record<Packing, readonly string[]>> = { none: ['q', 'k', 'v'], kv: ['q', 'kv'], qkv: ['qkv'] };

export function forwardBindings(site: OpSite<AttentionAttrs>, vec: Vec = 1): Binding[] {
  const { packing } = siteSizes(site);
  const operands = NAMES[packing].map((name, i) => read(name, i, vec));
  return [...operands, ...maskBinding(site), write('y', 0, vec), write('lse', 1, 1)];
}

const WRITTEN: Readonly<Record<Part, readonly string[]>> = {
  all: ['dq', 'dk', 'dv', 'dkv', 'dqkv'],
  query: ['dq', 'dqkv'],
  keys: ['dk', 'dv', 'dkv', 'dqkv'],
  dk: ['dk'],
  dv: ['dv'],
};

/** What dv, which is the probabilities times dy, does not depend on. */
const NOT_FOR_DV: readonly string[] = ['v', 'y'];

/** Bindings of a dispatch that computes `part` of the site's gradients. */
export function backwardBindings(site: OpSite<BackwardAttrs>, part: Part, vec: Vec = 1): Binding[] {
  const { packing } = siteSizes(site);
  const operands = NAMES[packing].map((name, i) => read(name, i, vec));
  const n = operands.length;
  const reads = [...operands, read('y', n, vec), read('dy', n + 1, vec), read('lse', n + 2, 1), ...maskBinding(site)];
  const writes = wantedOperands(site).map((operand, i) => write(`d${at(NAMES[packing], operand)}`, i, vec));
  return [
    ...reads.filter(({ name }) => part !== 'dv' || !NOT_FOR_DV.includes(name)),
    ...writes.filter(({ name }) => WRITTEN[part].includes(name)),
  ];
}

/** Indices of the operands whose gradients are the outputs, in order. */
export function wantedOperands({ inputs, attrs }: Pick<OpSite<BackwardAttrs>, 'inputs' | 'attrs'>): number[] {
  const all = Array.from({ length: operandCount(inputs, attrs) }, (_, i) => i);
  return { all, query: [0], keys: all.slice(1) }[attrs.wants];
}

const maskBinding = (site: OpSite<AttentionAttrs> | OpSite<BackwardAttrs>): Binding[] =>
  site.attrs.mask ? [read('mask', site.inputs.length - 1, 1)] : [];

/** Sizes, and the strides of rows and first elements of k and v in elements of `vec`: see `ATTENTION_PLACES`. */
export function attentionParams(
  site: OpSite<AttentionAttrs> | OpSite<BackwardAttrs>,
  vec: Vec = 1,
): Record<string, Param> {
  const { queries, keys, heads, head, packing } = siteSizes(site);
  const width = (heads * head) / vec;
  const places = {
    none: { q_row: width, kv_row: width, k_from: 0, v_from: 0 },
    kv: { q_row: width, kv_row: 2 * width, k_from: 0, v_from: width },
    qkv: { q_row: 3 * width, kv_row: 3 * width, k_from: width, v_from: 2 * width },
  }[packing];
  const { causal, scale } = site.attrs;
  return { queries, keys, heads, causal: Number(causal), scale: { f32: scale }, ...places };
}
