/** Shapes that the attention ops are tested on. */
import type { CaseInput, OpCase } from '../../tensor/op_case.ts';
import { at } from '../../tensor/types.ts';
import type { AttentionAttrs, BackwardAttrs, Gradients, Packing } from './shapes.ts';
import { operandShapes } from './shapes.ts';

interface Size {
  readonly name: string;
  readonly batch: number;
  readonly t: number;
  readonly s: number;
  readonly head: number;
  readonly attrs: AttentionAttrs;
  readonly packing?: Packing;
  /** `f16`: all operands, for kernels that take no other. Default f32. */
  readonly dtype?: 'f16';
  /** The gradients that the case of the backward op asks for; default all. */
  readonly gradients?: Gradients;
}

function attrsOf(heads: number, more: Partial<AttentionAttrs> = {}): AttentionAttrs {
  return { heads, scale: 0.35, causal: false, mask: false, ...more };
}

const both = { causal: true, mask: true };

const SIZES: readonly Size[] = [
  { name: 'self', batch: 1, t: 9, s: 9, head: 8, attrs: attrsOf(2) },
  { name: 'cross, two images', batch: 2, t: 5, s: 7, head: 4, attrs: attrsOf(3) },
  { name: 'causal', batch: 1, t: 7, s: 7, head: 8, attrs: attrsOf(2, { causal: true }) },
  { name: 'key mask', batch: 2, t: 4, s: 6, head: 4, attrs: attrsOf(2, { mask: true }) },
  { name: 'causal and key mask, odd head', batch: 2, t: 6, s: 6, head: 5, attrs: attrsOf(1, both) },
  { name: 'causal and key mask', batch: 2, t: 11, s: 11, head: 8, attrs: attrsOf(1, both) },
  { name: 'head of 32', batch: 1, t: 6, s: 5, head: 32, attrs: attrsOf(2) },
  { name: 'head of 40', batch: 1, t: 3, s: 5, head: 40, attrs: attrsOf(1), gradients: 'query' },
  { name: 'head of 64, more rows than a workgroup', batch: 1, t: 37, s: 3, head: 64, attrs: attrsOf(1) },
  { name: 'head of 40, many scores', batch: 1, t: 1024, s: 1024, head: 40, attrs: attrsOf(1) },
  { name: 'more keys than a workgroup, own scale', batch: 1, t: 2, s: 35, head: 8, attrs: attrsOf(1, { scale: 0.7 }) },
  { name: 'keys from elsewhere', batch: 2, t: 13, s: 9, head: 16, attrs: attrsOf(2), gradients: 'query' },
  { name: 'queries from elsewhere', batch: 2, t: 9, s: 13, head: 16, attrs: attrsOf(2), gradients: 'keys' },
  {
    name: 'queries from elsewhere, key mask',
    batch: 2,
    t: 5,
    s: 7,
    head: 8,
    attrs: attrsOf(1, { mask: true }),
    gradients: 'keys',
  },
  { name: 'packed', batch: 2, t: 11, s: 11, head: 16, attrs: attrsOf(2), packing: 'qkv' },
  { name: 'packed, causal', batch: 2, t: 19, s: 19, head: 8, attrs: attrsOf(3, { causal: true }), packing: 'qkv' },
  { name: 'packed, causal and key mask', batch: 2, t: 7, s: 7, head: 5, attrs: attrsOf(2, both), packing: 'qkv' },
  { name: 'packed, head of 40', batch: 1, t: 41, s: 41, head: 40, attrs: attrsOf(2), packing: 'qkv' },
  { name: 'packed kv', batch: 2, t: 10, s: 17, head: 16, attrs: attrsOf(2), packing: 'kv' },
  {
    name: 'packed kv and key mask, odd head',
    batch: 2,
    t: 4,
    s: 6,
    head: 3,
    attrs: attrsOf(2, { mask: true }),
    packing: 'kv',
  },
  {
    name: 'packed kv for queries',
    batch: 2,
    t: 9,
    s: 5,
    head: 8,
    attrs: attrsOf(2),
    packing: 'kv',
    gradients: 'query',
  },
  { name: 'packed kv for keys', batch: 2, t: 5, s: 9, head: 8, attrs: attrsOf(2), packing: 'kv', gradients: 'keys' },
  {
    name: 'all f16, head of 20, causal and key mask',
    batch: 2,
    t: 21,
    s: 21,
    head: 20,
    attrs: attrsOf(2, both),
    dtype: 'f16',
  },
  {
    name: 'all f16, packed, more than a tile',
    batch: 1,
    t: 75,
    s: 75,
    head: 16,
    attrs: attrsOf(2),
    packing: 'qkv',
    dtype: 'f16',
  },
  { name: 'all f16, packed kv', batch: 1, t: 37, s: 50, head: 24, attrs: attrsOf(1), packing: 'kv', dtype: 'f16' },
  {
    name: 'all f16, head of 100, growing scores',
    batch: 1,
    t: 18,
    s: 40,
    head: 100,
    attrs: attrsOf(1, { scale: 2 }),
    dtype: 'f16',
  },
];

/** Heads that are too long for the tiled kernels. Finite differences of so many elements take long; others check the same rules. */
const LONG_HEADS: readonly Size[] = [
  { name: 'head of 168, two images, causal and key mask', batch: 2, t: 21, s: 21, head: 168, attrs: attrsOf(2, both) },
  { name: 'head of 512', batch: 1, t: 40, s: 51, head: 512, attrs: attrsOf(1, { scale: 0.044 }) },
  {
    name: 'packed kv, head of 192, gradients of queries',
    ...{ batch: 1, t: 9, s: 13, head: 192, attrs: attrsOf(1, { scale: 0.07 }) },
    packing: 'kv',
    gradients: 'query',
  },
  {
    name: 'packed, head of 164',
    ...{ batch: 1, t: 37, s: 37, head: 164, attrs: attrsOf(1, { scale: 0.1 }) },
    packing: 'qkv',
  },
];

/** Finite differences of so many scores take hours; the smaller cases check the same rules. */
const MANY_SCORES = 1 << 20;

function operandsOf({ batch, t, s, head, attrs, packing = 'none', dtype }: Size): CaseInput[] {
  const sizes = { batch, queries: t, keys: s, heads: attrs.heads, head, packing };
  return operandShapes(sizes).map((shape) => ({ shape, ...(dtype ? { dtype } : {}) }));
}

const maskOf = ({ batch, s, attrs }: Size): CaseInput[] =>
  attrs.mask ? [{ shape: [batch, s], fill: 'mask' as const }] : [];

export const FORWARD_CASES: readonly OpCase<AttentionAttrs>[] = [
  ...SIZES.map((size) => ({
    name: size.name,
    inputs: [...operandsOf(size), ...maskOf(size)],
    attrs: size.attrs,
    ...(size.batch * size.attrs.heads * size.t * size.s >= MANY_SCORES ? { grad: [] } : {}),
  })),
  ...LONG_HEADS.map((size) => ({
    name: size.name,
    inputs: [...operandsOf(size), ...maskOf(size)],
    attrs: size.attrs,
    grad: [],
  })),
  {
    name: 'f16',
    inputs: [{ shape: [1, 3, 16] }, { shape: [1, 4, 16], dtype: 'f16' }, { shape: [1, 4, 16], dtype: 'f16' }],
    attrs: attrsOf(2),
  },
  {
    name: 'f16 packed kv',
    inputs: [{ shape: [1, 3, 16] }, { shape: [1, 4, 32], dtype: 'f16' }],
    attrs: attrsOf(2),
  },
];

export const BACKWARD_CASES: readonly OpCase<BackwardAttrs>[] = [
  ...[...SIZES, ...LONG_HEADS].map((size) => backwardCase(size)),
  {
    ...backwardCase({ name: 'f16 keys and values', batch: 1, t: 3, s: 4, head: 8, attrs: attrsOf(2) }, [1, 2]),
  },
];

function backwardCase(size: Size, half: readonly number[] = []): OpCase<BackwardAttrs> {
  const { name, batch, t, head, attrs, gradients = 'all', dtype } = size;
  const y = { shape: [batch, t, attrs.heads * head], ...(dtype ? { dtype } : {}) };
  // In f16 the weights exp(score - lse) must not exceed what a softmax gives by much.
  const logSumExp: CaseInput = {
    shape: [batch, attrs.heads, t],
    ...(dtype ? { fill: 'positive', scale: 3 } : {}),
  };
  const inputs: CaseInput[] = [...operandsOf(size), y, y, logSumExp, ...maskOf(size)];
  for (const i of half) {
    inputs[i] = { ...at(inputs, i), dtype: 'f16' };
  }
  return { name, inputs, attrs: { ...attrs, gradients, ...(dtype ? { scale: 0.1 } : {}) } };
}
