/** embedding(table [V,D], ids): rows of the table, f32. ids outside [0, V) are an error of the caller. */
import type { Dispatch } from '../tensor/dispatch.ts';
import type { OpSite } from '../tensor/op.ts';
import { defineOp } from '../tensor/op.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { at, byteSize, sizeOf } from '../tensor/types.ts';
import { read, write } from './common/bindings.ts';
import { DIVIDE } from './common/divide.ts';
import { perElement } from './common/per_element.ts';
import { elementCost, lastOf, vecOf } from './common/site.ts';

type None = Record<string, never>;
type Backward = { readonly rows: number };

const FORWARD = `${DIVIDE}
fn run(i: u32) {
  let k = quotient(i, params.width);
  store_y(i, load_table(u32(load_ids(k)) * params.width + i - k * params.width));
}
`;

const CLEAR = `
fn run(i: u32) { store_dtable(i, T()); }
`;

/** An invocation sums a column, in the order of the ids, so that the result is always the same. */
const SCATTER = `
fn run(c: u32) {
  for (var k = 0u; k < params.count; k++) {
    let to = u32(load_ids(k)) * params.size + c;
    store_dtable(to, load_dtable(to) + load_dy(k * params.size + c));
  }
}
`;

function forward(site: OpSite<None>, variant: string, vec: 1 | 4): Dispatch[] {
  const { shape } = at(site.outputs, 0);
  return [
    perElement({
      label: `embedding.${variant}`,
      code: FORWARD,
      size: sizeOf(shape) / vec,
      params: { width: lastOf(shape) / vec },
      bindings: [read('table', 0, vec), read('ids', 1), write('y', 0, vec)],
    }),
  ];
}

function backward(site: OpSite<Backward>, variant: string, vec: 1 | 4): Dispatch[] {
  const [rows, width] = [site.attrs.rows, lastOf(at(site.outputs, 0).shape)];
  const constants = { T: vec === 4 ? 'vec4<f32>' : 'f32' };
  return [
    perElement({
      label: `embedding_backward.${variant}.clear`,
      code: CLEAR,
      size: (rows * width) / vec,
      constants,
      bindings: [write('dtable', 0, vec)],
    }),
    perElement({
      label: `embedding_backward.${variant}`,
      code: SCATTER,
      size: width / vec,
      params: { count: sizeOf(at(site.inputs, 0).shape) },
      bindings: [read('ids', 0), read('dy', 1, vec), { name: 'dtable', ref: { output: 0 }, access: 'read_write', vec }],
    }),
  ];
}

function rowAt(ids: ArrayLike<number>, k: number, rows: number): number {
  const id = at(ids, k);
  if (!(id >= 0 && id < rows)) {
    throw new RangeError(`id ${id} is outside a table of ${rows} rows`);
  }
  return id;
}

const backwardOp = defineOp<Backward>({
  name: 'embedding_backward',
  infer: (inputs, { rows }) => [{ dtype: 'f32', shape: [rows, lastOf(at(inputs, 1).shape)] }],
  reference: ([ids, dy], site) => {
    const { shape } = at(site.outputs, 0);
    const width = lastOf(shape);
    const dtable = new Float64Array(sizeOf(shape));
    dy?.data.forEach((g, i) => {
      const to = rowAt(ids?.data ?? [], Math.floor(i / width), site.attrs.rows) * width + (i % width);
      dtable[to] = at(dtable, to) + g;
    });
    return [dtable];
  },
  variants: [
    {
      name: 'vec4',
      supports: (site) => vecOf(lastOf(at(site.outputs, 0).shape)) === 4,
      dispatches: (site) => backward(site, 'vec4', 4),
    },
    { name: 'naive', dispatches: (site) => backward(site, 'naive', 1) },
  ],
  cost: (site) => ({ ...elementCost(site, 0), flops: sizeOf(at(site.inputs, 1).shape) }),
  cases: [
    { name: 'odd', inputs: [{ shape: [2, 5], dtype: 'i32', below: 4 }, { shape: [2, 5, 3] }], attrs: { rows: 6 } },
    { name: 'vec4', inputs: [{ shape: [7], dtype: 'i32', below: 4 }, { shape: [7, 8] }], attrs: { rows: 5 } },
  ],
});

const embeddingOp = defineOp<None>({
  name: 'embedding',
  infer: (inputs) => {
    const [table, ids] = [at(inputs, 0), at(inputs, 1)];
    if (table.shape.length !== 2 || ids.dtype !== 'i32') {
      throw new Error('takes a table [V,D] and ids of dtype i32');
    }
    return [{ dtype: 'f32', shape: [...ids.shape, at(table.shape, 1)] }];
  },
  vjp: ({ inputs, dy }) => [() => backwardOp.one([at(inputs, 1), dy], { rows: at(inputs, 0).dim(0) }), null],
  reference: ([table, ids], site) => {
    const { shape } = at(site.outputs, 0);
    const width = lastOf(shape);
    const rows = at(at(site.inputs, 0).shape, 0);
    const y = Float64Array.from({ length: sizeOf(shape) }, (_, i) => {
      const row = rowAt(ids?.data ?? [], Math.floor(i / width), rows);
      return at(table?.data ?? [], row * width + (i % width));
    });
    return [y];
  },
  variants: [
    {
      name: 'vec4',
      supports: (site) => vecOf(lastOf(at(site.outputs, 0).shape)) === 4,
      dispatches: (site) => forward(site, 'vec4', 4),
    },
    { name: 'naive', dispatches: (site) => forward(site, 'naive', 1) },
  ],
  cost: (site) => ({ flops: 0, bytes: 2 * byteSize(at(site.outputs, 0)) }),
  cases: [
    { name: 'odd', inputs: [{ shape: [6, 5] }, { shape: [2, 3], dtype: 'i32', below: 6 }], attrs: {} },
    { name: 'vec4', inputs: [{ shape: [6, 8] }, { shape: [7], dtype: 'i32', below: 6 }], attrs: {} },
    {
      name: 'f16',
      inputs: [
        { shape: [6, 8], dtype: 'f16' },
        { shape: [1, 4], dtype: 'i32', below: 6 },
      ],
      attrs: {},
    },
  ],
});

/** Rows of `table` [V,D] at `ids` (i32): [..., D], f32. */
export const embedding = (table: Tensor, ids: Tensor): Tensor => embeddingOp.one([table, ids], {});
