/**
 * Antialiased bicubic resize of [N,H,W,C], a = -0.5, corners not aligned, as torch's _upsample_bicubic2d_aa computes it
 * (ATen/native/cpu/UpSampleKernel.cpp). The filter is separable: it runs along the width, then along the height. A first
 * dispatch makes a table of weights with rows [start, count, weights…]; the backward pass reads the same table.
 */
import type { BufferRef, Dispatch, Param } from '../tensor/dispatch.ts';
import type { OpSite } from '../tensor/op.ts';
import { defineOp } from '../tensor/op.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Shape } from '../tensor/types.ts';
import { at, byteSize, sizeOf } from '../tensor/types.ts';
import { read, write } from './common/bindings.ts';
import { DIVIDE } from './common/divide.ts';
import { perElement } from './common/per_element.ts';

type Size = { readonly height: number; readonly width: number };

/** An invocation makes one row of the table. */
const TABLE = `
fn cubic(x: f32) -> f32 {
  let d = abs(x);
  if (d < 1.0) {
    return (1.5 * d - 2.5) * d * d + 1.0;
  }
  return select(0.0, ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0, d < 2.0);
}

fn run(o: u32) {
  let center = params.scale * (f32(o) + 0.5);
  let first = max(i32(center - params.support + 0.5), 0);
  let count = min(i32(center + params.support + 0.5), i32(params.extent)) - first;
  let row = o * params.row;
  store_table(row, f32(first));
  store_table(row + 1u, f32(count));
  var sum = 0.0;
  for (var k = 0; k < count; k++) {
    sum += cubic((f32(first + k) - center + 0.5) * params.sharpness);
  }
  for (var k = 0; k < count; k++) {
    store_table(row + 2u + u32(k), cubic((f32(first + k) - center + 0.5) * params.sharpness) / sum);
  }
}
`;

/** x [outer, from, inner] → y [outer, to, inner]. */
const FORWARD = `${DIVIDE}
fn run(i: u32) {
  let sample = quotient(i, params.inner);
  let c = i - sample * params.inner;
  let outer = quotient(sample, params.out);
  let o = sample - outer * params.out;
  let row = o * params.row;
  let first = u32(load_table(row));
  let count = u32(load_table(row + 1u));
  var sum = 0.0;
  for (var k = 0u; k < count; k++) {
    sum += load_table(row + 2u + k) * load_x((outer * params.extent + first + k) * params.inner + c);
  }
  store_y(i, sum);
}
`;

/** dy [outer, to, inner] → dx [outer, from, inner]: sums over the outputs that may have read pixel p. */
const BACKWARD = `${DIVIDE}
fn run(i: u32) {
  let sample = quotient(i, params.inner);
  let c = i - sample * params.inner;
  let outer = quotient(sample, params.extent);
  let p = sample - outer * params.extent;
  let lo = max(0, i32(floor((f32(p) - params.support - 0.5) / params.scale)) - 1);
  let hi = min(i32(params.out), i32(ceil((f32(p) + params.support + 1.5) / params.scale)) + 1);
  var sum = 0.0;
  for (var o = lo; o < hi; o++) {
    let row = u32(o) * params.row;
    let k = p - u32(load_table(row));
    if (k < u32(load_table(row + 1u))) {
      sum += load_table(row + 2u + k) * load_x((outer * params.out + u32(o)) * params.inner + c);
    }
  }
  store_y(i, sum);
}
`;

/** A resampling along one axis, from `from` to `to` samples. */
interface Axis {
  readonly from: number;
  readonly to: number;
  readonly scale: number;
  /** Half the width of the filter in samples of `from`. */
  readonly support: number;
  /** 1 / scale where the image shrinks: the filter widens with it. */
  readonly sharpness: number;
  /** Length of a row of the table. */
  readonly row: number;
}

function axis(from: number, to: number): Axis {
  const scale = from / to;
  const support = 2 * Math.max(scale, 1);
  return { from, to, scale, support, sharpness: 1 / Math.max(scale, 1), row: 2 + 2 * Math.ceil(support) + 1 };
}

function cubic(x: number): number {
  const d = Math.abs(x);
  if (d < 1) {
    return (1.5 * d - 2.5) * d * d + 1;
  }
  return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
}

/** First sample and normalised weights of output o. */
function taps(a: Axis, o: number): { first: number; weights: number[] } {
  const center = a.scale * (o + 0.5);
  const first = Math.max(Math.trunc(center - a.support + 0.5), 0);
  const end = Math.min(Math.trunc(center + a.support + 0.5), a.from);
  const weights = Array.from({ length: end - first }, (_, k) => cubic((first + k - center + 0.5) * a.sharpness));
  const sum = weights.reduce((n, w) => n + w, 0);
  return { first, weights: weights.map((w) => w / sum) };
}

/** Resamples every line of `source`, or applies the adjoint. */
function resample(a: Axis, source: Float64Array, inner: number, adjoint: boolean): Float64Array {
  const outer = source.length / inner / (adjoint ? a.to : a.from);
  const target = new Float64Array(outer * inner * (adjoint ? a.from : a.to));
  for (let o = 0; o < a.to; o++) {
    const { first, weights } = taps(a, o);
    weights.forEach((w, k) => {
      for (let line = 0; line < outer; line++) {
        for (let c = 0; c < inner; c++) {
          const x = (line * a.from + first + k) * inner + c;
          const y = (line * a.to + o) * inner + c;
          const [i, j] = adjoint ? [y, x] : [x, y];
          target[j] = at(target, j) + w * at(source, i);
        }
      }
    });
  }
  return target;
}

const tableOf = (a: Axis, scratch: number): BufferRef => ({ scratch, type: { dtype: 'f32', shape: [a.to, a.row] } });

function tableDispatch(label: string, a: Axis, table: BufferRef): Dispatch {
  return perElement({
    label: `${label}.table`,
    code: TABLE,
    size: a.to,
    params: {
      extent: a.from,
      row: a.row,
      scale: { f32: a.scale },
      support: { f32: a.support },
      sharpness: { f32: a.sharpness },
    },
    bindings: [write('table', table)],
    workgroup: 16,
  });
}

interface Pass {
  readonly label: string;
  readonly a: Axis;
  readonly inner: number;
  readonly adjoint: boolean;
  /** Elements written. */
  readonly size: number;
  readonly table: BufferRef;
  readonly x: BufferRef;
  readonly y: BufferRef;
}

function resampleDispatch({ label, a, inner, adjoint, size, table, x, y }: Pass): Dispatch {
  const reach: Record<string, Param> = adjoint ? { support: { f32: a.support }, scale: { f32: a.scale } } : {};
  return perElement({
    label,
    code: adjoint ? BACKWARD : FORWARD,
    size,
    params: { inner, extent: a.from, out: a.to, row: a.row, ...reach },
    bindings: [read('table', table), read('x', x), write('y', y)],
  });
}

/** `before`, `after`: shapes around the forward op, which `adjoint` runs backwards. */
function dispatches(label: string, before: Shape, after: Shape, adjoint: boolean): Dispatch[] {
  const [n, h, w, c] = [at(before, 0), at(before, 1), at(before, 2), at(before, 3)];
  const across = axis(w, at(after, 2));
  const down = axis(h, at(after, 1));
  const isSquare = across.from === down.from && across.to === down.to;
  const tableAcross = tableOf(across, 0);
  const tableDown = isSquare ? tableAcross : tableOf(down, 2);
  const half = [n, h, across.to, c];
  const middle: BufferRef = { scratch: 1, type: { dtype: 'f32', shape: half } };
  const [source, result]: [BufferRef, BufferRef] = [{ input: 0 }, { output: 0 }];
  const alongWidth: Pass = {
    ...{ label, a: across, inner: c, adjoint, table: tableAcross },
    size: sizeOf(adjoint ? before : half),
    x: adjoint ? middle : source,
    y: adjoint ? result : middle,
  };
  const alongHeight: Pass = {
    ...{ label, a: down, inner: across.to * c, adjoint, table: tableDown },
    size: sizeOf(adjoint ? half : after),
    x: adjoint ? source : middle,
    y: adjoint ? middle : result,
  };
  const order = adjoint ? [alongHeight, alongWidth] : [alongWidth, alongHeight];
  return [
    tableDispatch(label, across, tableAcross),
    ...(isSquare ? [] : [tableDispatch(label, down, tableDown)]),
    ...order.map(resampleDispatch),
  ];
}

function resized(shape: Shape, { height, width }: Size): Shape {
  if (shape.length !== 4 || height < 1 || width < 1) {
    throw new Error(`[${shape.join(',')}] is no image [N,H,W,C] to be made ${height} × ${width}`);
  }
  return [at(shape, 0), height, width, at(shape, 3)];
}

const cost = ({ inputs, outputs }: OpSite<Size>, a: Axis) => ({
  flops: 2 * a.row * (sizeOf(at(inputs, 0).shape) + sizeOf(at(outputs, 0).shape)),
  bytes: byteSize(at(inputs, 0)) + byteSize(at(outputs, 0)),
});

/** Maps dy to dx, whose size is in the attributes. */
const backwardOp = defineOp<Size>({
  name: 'resize_bicubic_backward',
  storesOnce: true,
  infer: (inputs, size) => [{ dtype: 'f32', shape: resized(at(inputs, 0).shape, size) }],
  reference: ([dy], site) => {
    const [before, after] = [at(site.outputs, 0).shape, at(site.inputs, 0).shape];
    const across = axis(at(before, 2), at(after, 2));
    const half = resample(
      axis(at(before, 1), at(after, 1)),
      dy?.data ?? new Float64Array(),
      across.to * at(before, 3),
      true,
    );
    return [resample(across, half, at(before, 3), true)];
  },
  variants: [
    {
      name: 'naive',
      dispatches: ({ inputs, outputs }) =>
        dispatches('resize_bicubic_backward.naive', at(outputs, 0).shape, at(inputs, 0).shape, true),
    },
  ],
  cost: (site) => cost(site, axis(at(at(site.outputs, 0).shape, 1), at(at(site.inputs, 0).shape, 1))),
  cases: [
    { name: 'of shrinking', inputs: [{ shape: [2, 3, 4, 3] }], attrs: { height: 9, width: 7 } },
    { name: 'of growing', inputs: [{ shape: [1, 11, 13, 3] }], attrs: { height: 4, width: 5 } },
  ],
});

const resizeOp = defineOp<Size>({
  name: 'resize_bicubic',
  storesOnce: true,
  infer: (inputs, size) => [{ dtype: 'f32', shape: resized(at(inputs, 0).shape, size) }],
  vjp: ({ inputs, dy }) => [() => backwardOp.one([dy], { height: at(inputs, 0).dim(1), width: at(inputs, 0).dim(2) })],
  reference: ([x], site) => {
    const [before, after] = [at(site.inputs, 0).shape, at(site.outputs, 0).shape];
    const across = axis(at(before, 2), at(after, 2));
    const half = resample(across, x?.data ?? new Float64Array(), at(before, 3), false);
    return [resample(axis(at(before, 1), at(after, 1)), half, across.to * at(before, 3), false)];
  },
  variants: [
    {
      name: 'naive',
      dispatches: ({ inputs, outputs }) =>
        dispatches('resize_bicubic.naive', at(inputs, 0).shape, at(outputs, 0).shape, false),
    },
  ],
  cost: (site) => cost(site, axis(at(at(site.inputs, 0).shape, 1), at(at(site.outputs, 0).shape, 1))),
  cases: [
    { name: 'shrink', inputs: [{ shape: [2, 9, 7, 3] }], attrs: { height: 3, width: 4 } },
    { name: 'grow', inputs: [{ shape: [1, 4, 5, 3] }], attrs: { height: 11, width: 13 } },
    { name: 'shrink by 2, grow by 3', inputs: [{ shape: [1, 8, 3, 1] }], attrs: { height: 4, width: 9 } },
    { name: 'same size', inputs: [{ shape: [1, 5, 4, 2] }], attrs: { height: 5, width: 4 } },
    { name: 'f16', inputs: [{ shape: [1, 4, 4, 3], dtype: 'f16' }], attrs: { height: 7, width: 3 } },
  ],
});

/** x [N,H,W,C] resized to height × width by the antialiased bicubic filter; f32. */
export const resizeBicubic = (x: Tensor, height: number, width: number): Tensor => resizeOp.one([x], { height, width });
