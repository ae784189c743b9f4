/** reshape: the same buffer under another shape. */
import { defineOp } from '../tensor/op.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Shape } from '../tensor/types.ts';
import { at, sameShape, sizeOf } from '../tensor/types.ts';
import { read, write } from './common/bindings.ts';
import { perElement } from './common/per_element.ts';
import { canStoreOne } from './common/site.ts';

type Reshape = { readonly shape: readonly number[] };

const COPY = `
fn run(i: u32) { store_y(i, load_x(i)); }
`;

const reshapeOp = defineOp<Reshape>({
  name: 'reshape',
  isView: true,
  infer: ([x], { shape }) => {
    if (!x || sizeOf(x.shape) !== sizeOf(shape)) {
      throw new Error(`[${x?.shape.join(',')}] does not have as many elements as [${shape.join(',')}]`);
    }
    return [{ dtype: x.dtype, shape }];
  },
  vjp: ({ inputs, dy }) => [() => reshape(dy, at(inputs, 0).shape)],
  reference: ([x]) => [Float64Array.from(x?.data ?? [])],
  variants: [
    // Only for plans that need the result in a buffer of its own.
    {
      name: 'naive',
      supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
      dispatches: (site) => [
        perElement({
          label: 'reshape.naive',
          code: COPY,
          size: sizeOf(at(site.outputs, 0).shape),
          bindings: [read('x', 0), write('y', 0)],
        }),
      ],
    },
  ],
  cost: () => ({ flops: 0, bytes: 0 }),
  cases: [
    { inputs: [{ shape: [3, 4, 5] }], attrs: { shape: [2, 30] } },
    { name: 'to a scalar', inputs: [{ shape: [1, 1] }], attrs: { shape: [] } },
  ],
});

/** x under another shape; one dimension may be -1. @throws Error when the number of elements differs. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = shape.reduce((n, d) => (d === -1 ? n : n * d), 1);
  const full = shape.map((d) => (d === -1 ? sizeOf(x.shape) / known : d));
  return sameShape(full, x.shape) ? x : reshapeOp.one([x], { shape: full });
}
