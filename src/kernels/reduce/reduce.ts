/**
 * sum, mean, max and the largest absolute value over axes; the result is f32.
 * naive: one invocation an output. invocation_per_chunk: the reduced elements are cut into chunks, one invocation reduces each,
 * then the chunks are reduced (long reductions to few outputs). workgroup_per_chunk: a workgroup reduces each (GPUs, where the
 * innermost axis is reduced).
 */
import type { Op, VjpSite } from '../../tensor/op.ts';
import { defineOp } from '../../tensor/op.ts';
import type { OpCase } from '../../tensor/op_case.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import { at, byteSize, sizeOf, stridesOf } from '../../tensor/types.ts';
import { LOWEST } from '../common/math.ts';
import { axisOf } from '../common/site.ts';
import { forEachInNest } from '../common/strided.ts';
import { div, less, mul } from '../elementwise/binary.ts';
import { broadcastTo } from '../elementwise/broadcast_to.ts';
import { abs, affine } from '../elementwise/unary.ts';
import { reshape } from '../reshape.ts';
import type { Reduce } from './passes.ts';
import { chunked, reducesInnermost } from './passes.ts';

const SUM = `
fn initial() -> f32 { return 0.0; }
fn combine(a: f32, b: f32) -> f32 { return a + b; }
fn combine_team(v: f32, lane: u32) -> f32 { return team_sum(v, lane); }
`;

const MAX = `${LOWEST}
fn initial() -> f32 { return LOWEST; }
fn combine(a: f32, b: f32) -> f32 { return max(a, b); }
fn combine_team(v: f32, lane: u32) -> f32 { return team_max(v, lane); }
`;

const ABS_MAX = `
fn initial() -> f32 { return 0.0; }
fn combine(a: f32, b: f32) -> f32 { return max(a, abs(b)); }
fn combine_team(v: f32, lane: u32) -> f32 { return team_max(v, lane); }
`;

function cases(): OpCase<Reduce>[] {
  const reduce = (name: string, shape: Shape, axes: number[], keepDims = false): OpCase<Reduce> => ({
    name,
    inputs: [{ shape }],
    attrs: { axes, keepDims },
  });
  return [
    reduce('all', [3, 5, 7], [0, 1, 2]),
    reduce('all, long', [9, 257], [0, 1]),
    reduce('last', [3, 5, 7], [2], true),
    reduce('first', [7, 3, 5], [0]),
    reduce('middle', [3, 5, 4], [1], true),
    reduce('outer and inner', [3, 5, 7], [0, 2]),
    reduce('three runs', [2, 3, 2, 3, 2, 3], [0, 2, 4]),
    reduce('no axes', [3, 5], []),
    { name: 'f16', inputs: [{ shape: [3, 9], dtype: 'f16' }], attrs: { axes: [1], keepDims: false } },
  ];
}

function keptShape(shape: Shape, axes: readonly number[]): number[] {
  return shape.map((d, i) => (axes.includes(i) ? 1 : d));
}

function countOf(shape: Shape, axes: readonly number[]): number {
  return axes.reduce((n, i) => n * at(shape, i), 1);
}

interface Kind {
  readonly name: 'sum' | 'mean' | 'max' | 'abs_max';
  readonly code: string;
  readonly initial: number;
  readonly combine: (a: number, b: number) => number;
  readonly vjp: (site: VjpSite<Reduce>, spread: (t: Tensor) => Tensor) => Tensor;
}

function defineReduce(kind: Kind): Op<Reduce> {
  const { name, code } = kind;
  const mean = name === 'mean';
  return defineOp<Reduce>({
    name,
    storesOnce: true,
    infer: ([x], { axes, keepDims }) => {
      const shape = x?.shape ?? [];
      axes.forEach((a) => {
        axisOf(a, shape.length);
      });
      return [{ dtype: 'f32', shape: keepDims ? keptShape(shape, axes) : shape.filter((_, i) => !axes.includes(i)) }];
    },
    vjp: (site) => {
      const { shape } = at(site.inputs, 0);
      const spread = (t: Tensor): Tensor => broadcastTo(reshape(t, keptShape(shape, site.attrs.axes)), shape);
      return [() => kind.vjp(site, spread)];
    },
    reference: ([x], site) => {
      const { axes } = site.attrs;
      const shape = x?.shape ?? [];
      const y = new Float64Array(sizeOf(at(site.outputs, 0).shape)).fill(kind.initial);
      const kept = stridesOf(keptShape(shape, axes)).map((s, i) => (axes.includes(i) ? 0 : s));
      forEachInNest({ dims: shape, strides: [kept] }, (i, [k = 0]) => {
        y[k] = kind.combine(at(y, k), at(x?.data ?? [], i));
      });
      return [mean ? y.map((v) => v / countOf(shape, axes)) : y];
    },
    variants: [
      {
        name: 'invocation_per_chunk',
        // On a GPU, for outputs that lie side by side: neighbouring invocations read neighbouring elements.
        supports: (site, caps) => caps.software || !reducesInnermost(site),
        dispatches: chunked(name, code, mean, 'invocation_per_chunk', 'invocation', 256),
      },
      { name: 'workgroup_per_chunk', dispatches: chunked(name, code, mean, 'workgroup_per_chunk', 'workgroup', 4096) },
      { name: 'naive', dispatches: chunked(name, code, mean, 'naive', 'invocation', Number.POSITIVE_INFINITY) },
    ],
    cost: ({ inputs, outputs }) => ({
      flops: sizeOf(at(inputs, 0).shape),
      bytes: byteSize(at(inputs, 0)) + byteSize(at(outputs, 0)),
    }),
    cases: cases(),
  });
}

const sumOp = defineReduce({
  name: 'sum',
  code: SUM,
  initial: 0,
  combine: (a, b) => a + b,
  vjp: ({ dy }, spread) => spread(dy),
});

const meanOp = defineReduce({
  name: 'mean',
  code: SUM,
  initial: 0,
  combine: (a, b) => a + b,
  vjp: ({ inputs, attrs, dy }, spread) => spread(affine(dy, 1 / countOf(at(inputs, 0).shape, attrs.axes))),
});

const maxOp = defineReduce({
  name: 'max',
  code: MAX,
  initial: Number.NEGATIVE_INFINITY,
  combine: Math.max,
  vjp: ({ inputs, outputs, attrs, dy }, spread) =>
    amongMaxima(at(inputs, 0), at(outputs, 0), dy, (m) => sumOp.one([m], attrs), spread),
});

const absMaxOp = defineReduce({
  name: 'abs_max',
  code: ABS_MAX,
  initial: 0,
  combine: (a, b) => Math.max(a, Math.abs(b)),
  vjp: ({ inputs, outputs, attrs, dy }, spread) => {
    const x = at(inputs, 0);
    const sign = affine(less(x, x.graph.scalar(0)), -2, 1);
    return mul(
      sign,
      amongMaxima(abs(x), at(outputs, 0), dy, (m) => sumOp.one([m], attrs), spread),
    );
  },
});

/** Shares `dy` evenly among equal maxima, as torch.amax does. */
function amongMaxima(
  x: Tensor,
  largest: Tensor,
  dy: Tensor,
  count: (isMax: Tensor) => Tensor,
  spread: (t: Tensor) => Tensor,
): Tensor {
  const isMax = affine(less(x, spread(largest)), -1, 1);
  return mul(isMax, spread(div(dy, count(isMax))));
}

function attrsOf(x: Tensor, axes: readonly number[] | undefined, keepDims: boolean): Reduce {
  const rank = x.shape.length;
  const chosen = axes?.map((a) => axisOf(a, rank)) ?? x.shape.map((_, i) => i);
  return { axes: [...new Set(chosen)].sort((a, b) => a - b), keepDims };
}

/** Sum over `axes` (default all; negative count from the end). f32. */
export const sum = (x: Tensor, axes?: readonly number[], keepDims = false): Tensor =>
  sumOp.one([x], attrsOf(x, axes, keepDims));
/** Mean over `axes` (default all). f32. */
export const mean = (x: Tensor, axes?: readonly number[], keepDims = false): Tensor =>
  meanOp.one([x], attrsOf(x, axes, keepDims));
/** Maximum over `axes` (default all). f32. The gradient is shared among equal maxima. */
export const max = (x: Tensor, axes?: readonly number[], keepDims = false): Tensor =>
  maxOp.one([x], attrsOf(x, axes, keepDims));
/** Largest absolute value over `axes` (default all). f32. */
export const absMax = (x: Tensor, axes?: readonly number[], keepDims = false): Tensor =>
  absMaxOp.one([x], attrsOf(x, axes, keepDims));
