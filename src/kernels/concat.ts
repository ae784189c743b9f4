/** concat(xs, axis): one dispatch an input, each writing its own part. f32 unless all inputs are of one other dtype. */
import type { Dispatch, OpSite } from '../tensor/op.ts';
import { defineOp } from '../tensor/op.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Shape, TensorType } from '../tensor/types.ts';
import { at, sizeOf } from '../tensor/types.ts';
import { DIVIDE } from './common/divide.ts';
import { perElement } from './common/grid.ts';
import { axisOf, canStoreOne, elementCost } from './common/site.ts';
import { slice } from './slice_pad.ts';

type Concat = { readonly axis: number };

const CONCAT = `${DIVIDE}
fn run(i: u32) {
  let outer = quotient(i, params.run);
  store_y(outer * params.out_run + params.start + i - outer * params.run, Y(load_x(i)));
}
`;

/** Elements that lie together: those of `axis` and everything inside it. */
const runOf = (shape: Shape, axis: number): number => sizeOf(shape.slice(axis));

const runsOf = (site: OpSite<Concat>): number[] => site.inputs.map((t) => runOf(t.shape, site.attrs.axis));

function dispatches(site: OpSite<Concat>, version: string, vec: 1 | 4): Dispatch[] {
  const output = at(site.outputs, 0);
  const scalar = output.dtype === 'i32' ? 'i32' : 'f32';
  let start = 0;
  return runsOf(site).map((run, k) => {
    const from = start;
    start += run;
    return perElement({
      label: `concat.${version}`,
      code: CONCAT,
      size: sizeOf(at(site.inputs, k).shape) / vec,
      constants: { Y: vec === 4 ? `vec4<${scalar}>` : scalar },
      params: { run: run / vec, out_run: runOf(output.shape, site.attrs.axis) / vec, start: from / vec },
      bindings: [
        { name: 'x', ref: { input: k }, access: 'read', vec },
        { name: 'y', ref: { output: 0 }, access: 'write', vec },
      ],
    });
  });
}

function infer(inputs: readonly TensorType[], { axis }: Concat): TensorType[] {
  const first = at(inputs, 0);
  for (const { shape } of inputs) {
    if (shape.length !== first.shape.length || shape.some((d, i) => i !== axis && d !== first.shape[i])) {
      throw new Error(`[${first.shape.join(',')}] and [${shape.join(',')}] differ outside axis ${axis}`);
    }
  }
  const size = inputs.reduce((n, t) => n + at(t.shape, axis), 0);
  const dtype = inputs.every((t) => t.dtype === first.dtype) ? first.dtype : 'f32';
  return [{ dtype, shape: first.shape.map((d, i) => (i === axis ? size : d)) }];
}

const concatOp = defineOp<Concat>({
  name: 'concat',
  infer,
  isJoin: (site) => sizeOf(at(site.outputs, 0).shape.slice(0, site.attrs.axis)) === 1,
  vjp: ({ inputs, attrs: { axis }, dy }) => {
    let start = 0;
    return inputs.map(({ shape }) => {
      const starts = shape.map((_, i) => (i === axis ? start : 0));
      start += at(shape, axis);
      return () => slice(dy, starts, shape);
    });
  },
  reference: (inputs, site) => {
    const shape = at(site.outputs, 0).shape;
    const outRun = runOf(shape, site.attrs.axis);
    const y = new Float64Array(sizeOf(shape));
    let start = 0;
    inputs.forEach((x) => {
      const run = runOf(x.shape, site.attrs.axis);
      for (let o = 0; o * run < x.data.length; o++) {
        y.set(x.data.subarray(o * run, (o + 1) * run), o * outRun + start);
      }
      start += run;
    });
    return [y];
  },
  variants: {
    v2: {
      supports: (site) => runsOf(site).every((run) => run % 4 === 0),
      dispatches: (site) => dispatches(site, 'v2', 4),
    },
    v1: {
      supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
      dispatches: (site) => dispatches(site, 'v1', 1),
    },
  },
  cost: (site) => elementCost(site, 0),
  cases: [
    { name: 'last odd', inputs: [{ shape: [3, 5] }, { shape: [3, 2] }], attrs: { axis: 1 } },
    { name: 'last vec4', inputs: [{ shape: [2, 3, 4] }, { shape: [2, 3, 8] }], attrs: { axis: 2 } },
    { name: 'first of three', inputs: [{ shape: [1, 5] }, { shape: [2, 5] }, { shape: [3, 5] }], attrs: { axis: 0 } },
    { name: 'middle', inputs: [{ shape: [2, 1, 4] }, { shape: [2, 3, 4] }], attrs: { axis: 1 } },
    { name: 'f16 and f32', inputs: [{ shape: [2, 4], dtype: 'f16' }, { shape: [2, 4] }], attrs: { axis: 1 } },
  ],
});

/** @throws Error when the shapes differ outside `axis` (negative counts from the end). */
export function concat(xs: readonly Tensor[], axis: number): Tensor {
  const first = at(xs, 0);
  return xs.length === 1 ? first : concatOp.one(xs, { axis: axisOf(axis, first.shape.length) });
}
