/** slice takes a box out of x, pad puts x into a box of zeros: each is the other's adjoint. They keep the dtype. */
import type { OpSite } from '../tensor/op.ts';
import { defineOp } from '../tensor/op.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Shape } from '../tensor/types.ts';
import { at, sameShape, sizeOf, stridesOf } from '../tensor/types.ts';
import type { Movement } from './common/gather.ts';
import { movementVariants } from './common/gather.ts';
import { elementCost } from './common/site.ts';
import { forEachInNest } from './common/strided.ts';

type Slice = { readonly starts: readonly number[]; readonly sizes: readonly number[] };
type Pad = { readonly before: readonly number[]; readonly after: readonly number[] };

/** Index of the element at `place`. */
const elementAt = (shape: Shape, place: readonly number[]): number =>
  stridesOf(shape).reduce((n, s, d) => n + s * at(place, d), 0);

function sliceMovement({ inputs, attrs }: OpSite<Slice>): Movement {
  const { shape } = at(inputs, 0);
  return { nest: { dims: attrs.sizes, strides: [stridesOf(shape)] }, offset: elementAt(shape, attrs.starts) };
}

function padMovement({ inputs, outputs, attrs }: OpSite<Pad>): Movement {
  const { shape } = at(inputs, 0);
  return {
    nest: { dims: at(outputs, 0).shape, strides: [stridesOf(shape)] },
    offset: 0,
    window: { before: attrs.before, sizes: shape },
  };
}

const sliceOp = defineOp<Slice>({
  name: 'slice',
  storesOnce: true,
  infer: ([x], { starts, sizes }) => {
    const shape = x?.shape ?? [];
    const fits = (d: number, i: number): boolean =>
      at(starts, i) >= 0 && at(sizes, i) > 0 && at(starts, i) + at(sizes, i) <= d;
    if (starts.length !== shape.length || sizes.length !== shape.length || !shape.every(fits)) {
      throw new RangeError(`[${shape.join(',')}] has no box of [${sizes.join(',')}] at [${starts.join(',')}]`);
    }
    return [{ dtype: x?.dtype ?? 'f32', shape: sizes }];
  },
  vjp: ({ inputs, attrs, dy }) => {
    const { shape } = at(inputs, 0);
    const after = shape.map((d, i) => d - at(attrs.starts, i) - at(attrs.sizes, i));
    return [() => pad(dy, attrs.starts, after)];
  },
  reference: ([x], site) => {
    const { nest, offset } = sliceMovement(site);
    const y = new Float64Array(sizeOf(nest.dims));
    forEachInNest(nest, (i, [from = 0]) => {
      y[i] = at(x?.data ?? [], offset + from);
    });
    return [y];
  },
  variants: movementVariants('slice', sliceMovement),
  cost: (site) => {
    const { bytes } = elementCost({ ...site, inputs: site.outputs }, 0);
    return { flops: 0, bytes };
  },
  cases: [
    { name: 'odd', inputs: [{ shape: [5, 7] }], attrs: { starts: [1, 2], sizes: [3, 4] } },
    { name: 'vec4', inputs: [{ shape: [3, 4, 8] }], attrs: { starts: [1, 0, 4], sizes: [2, 3, 4] } },
    { name: 'vec4 misaligned', inputs: [{ shape: [3, 8] }], attrs: { starts: [1, 2], sizes: [2, 4] } },
    { name: 'f16', inputs: [{ shape: [3, 8], dtype: 'f16' }], attrs: { starts: [0, 1], sizes: [3, 4] } },
    { name: 'rows', inputs: [{ shape: [6, 3] }], attrs: { starts: [2, 0], sizes: [2, 3] } },
  ],
});

const padOp = defineOp<Pad>({
  name: 'pad',
  storesOnce: true,
  infer: ([x], { before, after }) => {
    const shape = x?.shape ?? [];
    if (before.length !== shape.length || after.length !== shape.length || [...before, ...after].some((n) => n < 0)) {
      throw new RangeError(`padding [${before.join(',')}] and [${after.join(',')}] does not fit [${shape.join(',')}]`);
    }
    return [{ dtype: x?.dtype ?? 'f32', shape: shape.map((d, i) => d + at(before, i) + at(after, i)) }];
  },
  vjp: ({ inputs, attrs, dy }) => [() => slice(dy, attrs.before, at(inputs, 0).shape)],
  reference: ([x], site) => {
    const shape = at(site.outputs, 0).shape;
    const y = new Float64Array(sizeOf(shape));
    const origin = elementAt(shape, site.attrs.before);
    forEachInNest({ dims: x?.shape ?? [], strides: [stridesOf(shape)] }, (i, [to = 0]) => {
      y[origin + to] = at(x?.data ?? [], i);
    });
    return [y];
  },
  variants: movementVariants('pad', padMovement),
  cost: (site) => elementCost(site, 0),
  cases: [
    { name: 'odd', inputs: [{ shape: [3, 5] }], attrs: { before: [1, 2], after: [0, 1] } },
    { name: 'vec4', inputs: [{ shape: [2, 3, 4] }], attrs: { before: [1, 0, 4], after: [1, 1, 0] } },
    { name: 'vec4 misaligned', inputs: [{ shape: [3, 4] }], attrs: { before: [0, 1], after: [1, 3] } },
    { name: 'image', inputs: [{ shape: [1, 3, 2, 4] }], attrs: { before: [0, 1, 1, 0], after: [0, 1, 1, 0] } },
    { name: 'f16', inputs: [{ shape: [3, 4], dtype: 'f16' }], attrs: { before: [0, 1], after: [1, 3] } },
  ],
});

/** The box of `sizes` whose first element is at `starts`. @throws RangeError when it reaches outside x. */
export const slice = (x: Tensor, starts: Shape, sizes: Shape): Tensor =>
  sameShape(x.shape, sizes) ? x : sliceOp.one([x], { starts: [...starts], sizes: [...sizes] });

/** x with zeros before and after it along each axis. */
export const pad = (x: Tensor, before: Shape, after: Shape): Tensor =>
  [...before, ...after].every((n) => n === 0) ? x : padOp.one([x], { before: [...before], after: [...after] });
