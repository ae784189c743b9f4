/**
 * concat(xs, axis): f32 unless all inputs have one other dtype. The gradient of a concatenation of two is one op, `split`.
 * one_dispatch: copies all inputs in one dispatch. vec4, naive: a dispatch copies each input, for adapters that cannot bind all
 * of them at once.
 */
import type { Dispatch } from '../tensor/dispatch.ts';
import type { Op, OpSite } from '../tensor/op.ts';
import { defineOp } from '../tensor/op.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Shape, TensorType } from '../tensor/types.ts';
import { at, sizeOf } from '../tensor/types.ts';
import { read, write } from './common/bindings.ts';
import { DIVIDE } from './common/divide.ts';
import { perElement } from './common/per_element.ts';
import { axisOf, canStoreOne, elementCost, vecOf } from './common/site.ts';
import { slice } from './slice_pad.ts';

type Concat = { readonly axis: number };

const CONCAT = `${DIVIDE}
fn run(i: u32) {
  let outer = quotient(i, params.run);
  store_y(outer * params.out_run + params.start + i - outer * params.run, Y(load_x(i)));
}
`;

/** WGSL that copies input k, which fills elements `start` to `end` of each run of the result. */
const partSnippet = (k: number): string => `
  if (k < params.end${k}) {
    store_y(i, Y(load_x${k}(outer * (params.end${k} - params.start${k}) + k - params.start${k})));
    return;
  }`;

const CONCAT_SEVERAL = (parts: number): string => `${DIVIDE}
fn run(i: u32) {
  let outer = quotient(i, params.run);
  let k = i - outer * params.run;${Array.from({ length: parts }, (_, k) => partSnippet(k)).join('')}
}
`;

const SPLIT = `${DIVIDE}
fn run(i: u32) {
  let outer = quotient(i, params.run);
  let k = i - outer * params.run;
  let rest = params.run - params.first;
  if (k < params.first) {
    store_a(outer * params.first + k, load_x(i));
  } else {
    store_b(outer * rest + k - params.first, load_x(i));
  }
}
`;

/** Number of neighbouring elements that belong together: those of `axis` and of the axes inside it. */
const runOf = (shape: Shape, axis: number): number => sizeOf(shape.slice(axis));

const runsOf = (site: OpSite<Concat>): number[] => site.inputs.map((t) => runOf(t.shape, site.attrs.axis));

function dispatches(site: OpSite<Concat>, variant: string, vec: 1 | 4): Dispatch[] {
  const output = at(site.outputs, 0);
  const scalar = output.dtype === 'i32' ? 'i32' : 'f32';
  let start = 0;
  return runsOf(site).map((run, k) => {
    const from = start;
    start += run;
    return perElement({
      label: `concat.${variant}`,
      code: CONCAT,
      size: sizeOf(at(site.inputs, k).shape) / vec,
      constants: { Y: vec === 4 ? `vec4<${scalar}>` : scalar },
      params: { run: run / vec, out_run: runOf(output.shape, site.attrs.axis) / vec, start: from / vec },
      bindings: [read('x', k, vec), write('y', 0, vec)],
    });
  });
}

function severalTogether(site: OpSite<Concat>): Dispatch[] {
  const output = at(site.outputs, 0);
  const runs = runsOf(site);
  const vec = vecOf(...runs);
  const scalar = output.dtype === 'i32' ? 'i32' : 'f32';
  const params: Record<string, number> = { run: runOf(output.shape, site.attrs.axis) / vec };
  let start = 0;
  runs.forEach((run, k) => {
    params[`start${k}`] = start / vec;
    start += run;
    params[`end${k}`] = start / vec;
  });
  return [
    perElement({
      label: 'concat.one_dispatch',
      code: CONCAT_SEVERAL(runs.length),
      size: sizeOf(output.shape) / vec,
      constants: { Y: vec === 4 ? `vec4<${scalar}>` : scalar },
      params,
      bindings: [...runs.map((_, k) => read(`x${k}`, k, vec)), write('y', 0, vec)],
    }),
  ];
}

type Split = { readonly axis: number; readonly first: number };

const partsOf = (shape: Shape, { axis, first }: Split): [number[], number[]] => {
  const resized = (d: number): number[] => shape.map((s, i) => (i === axis ? d : s));
  return [resized(first), resized(at(shape, axis) - first)];
};

/** Splits x into its first `first` along `axis` and the rest. */
const splitOp: Op<Split> = defineOp<Split>({
  name: 'split',
  infer: ([x], attrs) => {
    const shape = x?.shape ?? [];
    if (attrs.first < 1 || attrs.first >= (shape[attrs.axis] ?? 0)) {
      throw new RangeError(`[${shape.join(',')}] does not split after ${attrs.first} along axis ${attrs.axis}`);
    }
    return partsOf(shape, attrs).map((part) => ({ dtype: x?.dtype ?? 'f32', shape: part }));
  },
  vjp: ({ inputs, outputs, attrs: { axis }, grads }) => [
    () => {
      const whole = at(inputs, 0);
      const zeros = (part: Tensor): Tensor => whole.graph.constant(new Float64Array(sizeOf(part.shape)), part.shape);
      return concatOp.one(
        outputs.map((part, i) => grads[i] ?? zeros(part)),
        { axis },
      );
    },
  ],
  reference: ([x], site) => {
    const { axis, first } = site.attrs;
    const shape = x?.shape ?? [];
    const run = runOf(shape, axis);
    const start = (run / at(shape, axis)) * first;
    const parts = site.outputs.map((t) => new Float64Array(sizeOf(t.shape)));
    for (let o = 0; o * run < sizeOf(shape); o++) {
      const row = x?.data.subarray(o * run, (o + 1) * run) ?? new Float64Array();
      at(parts, 0).set(row.subarray(0, start), o * start);
      at(parts, 1).set(row.subarray(start), o * (run - start));
    }
    return parts;
  },
  variants: [
    {
      name: 'naive',
      supports: (site, caps) =>
        site.outputs.every((t) => runOf(t.shape, site.attrs.axis) % 4 === 0 || canStoreOne(t, caps)),
      dispatches: (site) => {
        const { shape } = at(site.inputs, 0);
        const runs = site.outputs.map((t) => runOf(t.shape, site.attrs.axis));
        const vec = vecOf(...runs);
        return [
          perElement({
            label: 'split.naive',
            code: SPLIT,
            size: sizeOf(shape) / vec,
            params: { run: runOf(shape, site.attrs.axis) / vec, first: at(runs, 0) / vec },
            bindings: [read('x', 0, vec), write('a', 0, vec), write('b', 1, vec)],
          }),
        ];
      },
    },
  ],
  cost: (site) => elementCost(site, 0),
  cases: [
    { name: 'last odd', inputs: [{ shape: [3, 7] }], attrs: { axis: 1, first: 5 } },
    { name: 'last vec4', inputs: [{ shape: [2, 3, 12] }], attrs: { axis: 2, first: 4 } },
    { name: 'middle', inputs: [{ shape: [2, 4, 4] }], attrs: { axis: 1, first: 1 } },
    { name: 'f16', inputs: [{ shape: [2, 5, 8], dtype: 'f16' }], attrs: { axis: 2, first: 4 } },
  ],
});

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

const concatOp: Op<Concat> = defineOp<Concat>({
  name: 'concat',
  infer,
  isConcatenation: (site) => sizeOf(at(site.outputs, 0).shape.slice(0, site.attrs.axis)) === 1,
  vjp: ({ inputs, attrs: { axis }, dy }) => {
    const [one, two, ...more] = inputs;
    if (one && two && more.length === 0) {
      const both = { axis, first: one.dim(axis) };
      return [() => at(splitOp.call([dy], both), 0), () => at(splitOp.call([dy], both), 1)];
    }
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
  variants: [
    {
      name: 'one_dispatch',
      supports: (site, caps) =>
        site.inputs.length < caps.maxStorageBuffers &&
        (vecOf(...runsOf(site)) === 4 || canStoreOne(at(site.outputs, 0), caps)),
      dispatches: severalTogether,
    },
    {
      name: 'vec4',
      supports: (site) => runsOf(site).every((run) => run % 4 === 0),
      dispatches: (site) => dispatches(site, 'vec4', 4),
    },
    {
      name: 'naive',
      supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
      dispatches: (site) => dispatches(site, 'naive', 1),
    },
  ],
  cost: (site) => elementCost(site, 0),
  cases: [
    { name: 'last odd', inputs: [{ shape: [3, 5] }, { shape: [3, 2] }], attrs: { axis: 1 } },
    { name: 'last vec4', inputs: [{ shape: [2, 3, 4] }, { shape: [2, 3, 8] }], attrs: { axis: 2 } },
    { name: 'first of three', inputs: [{ shape: [1, 5] }, { shape: [2, 5] }, { shape: [3, 5] }], attrs: { axis: 0 } },
    { name: 'middle', inputs: [{ shape: [2, 1, 4] }, { shape: [2, 3, 4] }], attrs: { axis: 1 } },
    { name: 'f16 and f32', inputs: [{ shape: [2, 4], dtype: 'f16' }, { shape: [2, 4] }], attrs: { axis: 1 } },
  ],
});

/** Joins tensors end to end along `axis` (negative counts from the end). @throws Error when the shapes differ outside `axis` */
export function concat(xs: readonly Tensor[], axis: number): Tensor {
  const first = at(xs, 0);
  return xs.length === 1 ? first : concatOp.one(xs, { axis: axisOf(axis, first.shape.length) });
}
