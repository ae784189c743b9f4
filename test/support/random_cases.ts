/** Random and odd shapes, an arbitrary of cases an op. Small sizes: the point is edges and tails, not volume. */
import fc from 'fast-check';
import { operandShapes } from '../../src/kernels/attention/shapes.ts';
import type { Attrs } from '../../src/tensor/op.ts';
import type { CaseInput, OpCase } from '../../src/tensor/op_case.ts';
import { at } from '../../src/tensor/types.ts';

const size = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });
/** Sizes that vec4 kernels take and sizes that they do not. */
const channels = fc.oneof(size(9), fc.constantFrom(4, 8, 12, 16, 36));
const weightType = fc.constantFrom('f32' as const, 'f16' as const);

const of = (inputs: readonly CaseInput[], attrs: Attrs): OpCase => ({ inputs, attrs });

const matmul = fc
  .record({
    batch: size(3),
    m: size(19),
    k: channels,
    n: channels,
    shared: fc.boolean(),
    dtype: weightType,
    bias: fc.boolean(),
  })
  .map(({ batch, m, k, n, shared, dtype, bias }) =>
    of(
      [{ shape: [batch, m, k] }, { shape: shared ? [k, n] : [batch, k, n], dtype }, ...(bias ? [{ shape: [n] }] : [])],
      { bias, residual: false },
    ),
  );

const conv2d = fc
  .record({
    n: size(2),
    h: size(9),
    w: size(11),
    ci: channels,
    co: channels,
    k: fc.constantFrom(1, 2, 3, 5),
    stride: size(3),
    padding: fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2), fc.nat(2)),
    dtype: weightType,
  })
  .filter(({ h, w, k, padding: [t, b, l, r] }) => h + t + b >= k && w + l + r >= k)
  .map(({ n, h, w, ci, co, k, stride, padding, dtype }) =>
    of([{ shape: [n, h, w, ci] }, { shape: [k, k, ci, co], dtype }, { shape: [co] }], {
      stride,
      padding,
      bias: true,
      residual: false,
    }),
  );

const attention = fc
  .record({
    b: size(2),
    t: size(21),
    s: size(21),
    heads: size(3),
    head: fc.constantFrom(3, 8, 20),
    causal: fc.boolean(),
    mask: fc.boolean(),
    packing: fc.constantFrom('none' as const, 'kv' as const, 'qkv' as const),
  })
  .map(({ b, t, s: otherKeys, heads, head, causal, mask, packing }) => {
    const s = packing === 'qkv' ? t : otherKeys;
    const sizes = { batch: b, queries: t, keys: s, heads, head, packing };
    const operands = operandShapes(sizes).map((shape) => ({ shape }));
    const keyMask = mask ? [{ shape: [b, s], fill: 'mask' as const }] : [];
    return of([...operands, ...keyMask], { heads, scale: head ** -0.5, causal, mask });
  });

const groupNorm = fc
  .record({ n: size(2), h: size(7), w: size(7), groups: size(4), each: size(5), silu: fc.boolean() })
  .filter(({ h, w, each }) => h * w * each > 2)
  .map(({ n, h, w, groups, each, silu }) => {
    const c = groups * each;
    return of([{ shape: [n, h, w, c] }, { shape: [c] }, { shape: [c] }], { groups, eps: 1e-5, silu });
  });

const rows = fc.record({
  outer: size(5),
  inner: fc.oneof(fc.integer({ min: 3, max: 9 }), fc.constantFrom(16, 36, 132)),
});
const layerNorm = rows.map(({ outer, inner }) =>
  of([{ shape: [outer, inner] }, { shape: [inner] }, { shape: [inner] }], { eps: 1e-5 }),
);
const softmax = rows.map(({ outer, inner }) => of([{ shape: [outer, inner], scale: 3 }], {}));

/** Two operands of one shape in which some dimensions of either are 1, and leading ones of the second are left out. */
const binary = fc
  .record({ dims: fc.array(size(6), { minLength: 1, maxLength: 5 }), bits: fc.nat(1023), drop: fc.nat(4) })
  .map(({ dims, bits, drop }) => {
    const a = dims.map((d, i) => (bits & (1 << i) ? 1 : d));
    const b = dims.map((d, i) => (bits & (32 << i) ? 1 : d)).slice(Math.min(drop, dims.length));
    return of([{ shape: a }, { shape: b }], {});
  });

const sum = fc
  .record({
    dims: fc.array(size(7), { minLength: 1, maxLength: 4 }),
    bits: fc.integer({ min: 1, max: 15 }),
    keepDims: fc.boolean(),
  })
  .map(({ dims, bits, keepDims }) => {
    const axes = dims.flatMap((_, i) => (bits & (1 << i) ? [i] : []));
    return of([{ shape: dims, fill: 'positive' }], { axes: axes.length > 0 ? axes : [0], keepDims });
  });

const transpose = fc
  .array(size(6), { minLength: 2, maxLength: 5 })
  .chain((dims) =>
    fc.tuple(
      fc.constant(dims),
      fc.shuffledSubarray(
        dims.map((_, i) => i),
        { minLength: dims.length },
      ),
    ),
  )
  .map(([dims, permutation]) => of([{ shape: dims }], { permutation }));

const slice = fc
  .array(fc.record({ start: fc.nat(3), size: size(5), rest: fc.nat(3) }), { minLength: 1, maxLength: 4 })
  .map((dims) =>
    of([{ shape: dims.map((d) => d.start + d.size + d.rest) }], {
      starts: dims.map((d) => d.start),
      sizes: dims.map((d) => d.size),
    }),
  );

const resizeBicubic = fc
  .record({ n: size(2), h: size(12), w: size(12), c: size(4), height: size(14), width: size(14) })
  .map(({ n, h, w, c, height, width }) => of([{ shape: [n, h, w, c] }], { height, width }));

const upsampleNearest = fc
  .record({ n: size(2), h: size(5), w: size(5), c: channels, factor: fc.integer({ min: 2, max: 3 }) })
  .map(({ n, h, w, c, factor }) => of([{ shape: [n, h, w, c] }], { factor }));

const embedding = fc
  .record({ vocabulary: size(9), width: channels, tokens: size(9) })
  .map(({ vocabulary, width, tokens }) =>
    of([{ shape: [vocabulary, width] }, { shape: [tokens], dtype: 'i32', fill: 'ids', below: vocabulary }], {}),
  );

export const RANDOM_CASES: Readonly<Record<string, fc.Arbitrary<OpCase>>> = {
  matmul,
  conv2d,
  attention,
  group_norm: groupNorm,
  layer_norm: layerNorm,
  softmax,
  mul: binary,
  sum,
  transpose,
  slice,
  resize_bicubic: resizeBicubic,
  upsample_nearest: upsampleNearest,
  embedding,
};

/** One case as text, for a failing example. */
export function showCase(c: OpCase): string {
  const inputs = c.inputs.map((i) => `${i.dtype ?? 'f32'}[${i.shape.join(',')}]`).join(' ');
  return `${inputs} ${JSON.stringify(c.attrs)} ${at(c.inputs, 0).fill ?? ''}`;
}
