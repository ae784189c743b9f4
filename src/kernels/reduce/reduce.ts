/**
 * sum, mean, max and the largest absolute value over axes; the result is f32.
 * v1: one invocation an output. v2: the reduced elements are cut into chunks, one invocation each, then the chunks are
 * reduced (long reductions to few outputs). v3: as v2, a workgroup a chunk (GPUs, where the innermost axis is reduced).
 */
import type { Dispatch, Op, OpCase, OpSite, VjpSite } from '../../tensor/op.ts';
import { defineOp } from '../../tensor/op.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import { at, byteSize, sizeOf, stridesOf } from '../../tensor/types.ts';
import { div, less, mul } from '../binary.ts';
import { broadcastTo } from '../broadcast_to.ts';
import { DIVIDE } from '../common/divide.ts';
import { LOWEST } from '../common/math.ts';
import { axisOf } from '../common/site.ts';
import { forEachPlace, padFront } from '../common/strided.ts';
import type { Team } from '../common/team.ts';
import { teamDispatch } from '../common/team.ts';
import { reshape } from '../reshape.ts';
import { abs, affine } from '../unary.ts';

/** Sorted axes, counted from the front. */
type Reduce = { readonly axes: readonly number[]; readonly keepDims: boolean };

/** A team reduces elements [chunk · length, …) of one output: kept dimensions k0…k2, reduced dimensions r0…r2. */
const REDUCE = `${DIVIDE}
fn offset(r: u32) -> u32 {
  if (FLAT == 1u) {
    return r * params.stride_r2;
  }
  let rest = quotient(r, params.r2);
  let r0 = quotient(rest, params.r1);
  return (r - rest * params.r2) * params.stride_r2 + (rest - r0 * params.r1) * params.stride_r1 + r0 * params.stride_r0;
}

fn run(team: u32, lane: u32) {
  let k = quotient(team, params.chunks);
  let rest = quotient(k, params.k2);
  let k0 = quotient(rest, params.k1);
  let base = (k - rest * params.k2) * params.stride_k2 + (rest - k0 * params.k1) * params.stride_k1 + k0 * params.stride_k0;
  let first = (team - k * params.chunks) * params.length;
  let end = min(first + params.length, params.reduced);
  var value = initial();
  for (var r = first + lane; r < end; r += LANES) {
    value = combine(value, load_x(base + offset(r)));
  }
  let result = combine_team(value, lane);
  if (lane == 0u) {
    store_y(team, result * params.factor);
  }
}
`;

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

/** Runs of neighbouring axes that are all kept or all reduced, with the stride of the last. */
interface Runs {
  readonly kept: { readonly dims: number[]; readonly strides: number[] };
  readonly reduced: { readonly dims: number[]; readonly strides: number[] };
}

function runsOf(shape: Shape, axes: readonly number[]): Runs {
  const strides = stridesOf(shape);
  const runs: Runs = { kept: { dims: [], strides: [] }, reduced: { dims: [], strides: [] } };
  let before: boolean | undefined;
  shape.forEach((size, i) => {
    if (size === 1) {
      return;
    }
    const isReduced = axes.includes(i);
    const run = isReduced ? runs.reduced : runs.kept;
    if (before === isReduced) {
      const last = run.dims.length - 1;
      run.dims[last] = at(run.dims, last) * size;
      run.strides[last] = at(strides, i);
    } else {
      run.dims.push(size);
      run.strides.push(at(strides, i));
    }
    before = isReduced;
  });
  return runs;
}

interface Pass {
  readonly label: string;
  readonly code: string;
  readonly team: Team;
  readonly runs: Runs;
  readonly length: number;
  readonly factor: number;
  readonly from:
    | { readonly input: number }
    | { readonly scratch: number; readonly type: { dtype: 'f32'; shape: Shape } };
  readonly to:
    | { readonly output: number }
    | { readonly scratch: number; readonly type: { dtype: 'f32'; shape: Shape } };
}

function pass(p: Pass): Dispatch {
  const reduced = sizeOf(p.runs.reduced.dims);
  const chunks = Math.max(1, Math.ceil(reduced / p.length));
  const [k0 = 1, k1 = 1, k2 = 1] = padFront(p.runs.kept.dims, 3, 1);
  const [r0 = 1, r1 = 1, r2 = 1] = padFront(p.runs.reduced.dims, 3, 1);
  const [stride_k0 = 0, stride_k1 = 0, stride_k2 = 0] = padFront(p.runs.kept.strides, 3, 0);
  const [stride_r0 = 0, stride_r1 = 0, stride_r2 = 0] = padFront(p.runs.reduced.strides, 3, 0);
  return teamDispatch({
    label: p.label,
    code: p.code + REDUCE,
    team: p.team,
    vec: 1,
    teams: k0 * k1 * k2 * chunks,
    constants: { FLAT: p.runs.reduced.dims.length <= 1 ? 1 : 0 },
    params: {
      ...{ chunks, length: p.length, reduced, k1, k2, stride_k0, stride_k1, stride_k2 },
      ...{ r0, r1, r2, stride_r0, stride_r1, stride_r2, factor: { f32: p.factor } },
    },
    bindings: [
      { name: 'x', ref: p.from, access: 'read' },
      { name: 'y', ref: p.to, access: 'write' },
    ],
  });
}

function chunked(name: string, code: string, mean: boolean, version: string, team: Team, chunk: number) {
  return (site: OpSite<Reduce>): Dispatch[] => {
    const runs = runsOf(at(site.inputs, 0).shape, site.attrs.axes);
    const [reduced, kept] = [sizeOf(runs.reduced.dims), sizeOf(runs.kept.dims)];
    const factor = mean ? 1 / reduced : 1;
    const label = `${name}.${version}`;
    if (reduced <= chunk) {
      return [pass({ label, code, team, runs, length: reduced, factor, from: { input: 0 }, to: { output: 0 } })];
    }
    const chunks = Math.ceil(reduced / chunk);
    const partial = { scratch: 0, type: { dtype: 'f32', shape: [kept, chunks] } } as const;
    const second: Runs = {
      kept: { dims: [kept], strides: [chunks] },
      reduced: { dims: [chunks], strides: [1] },
    };
    return [
      pass({ label, code, team, runs, length: chunk, factor: 1, from: { input: 0 }, to: partial }),
      pass({ label, code, team, runs: second, length: chunks, factor, from: partial, to: { output: 0 } }),
    ];
  };
}

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

function reducesInnermost(site: OpSite<Reduce>): boolean {
  const { reduced } = runsOf(at(site.inputs, 0).shape, site.attrs.axes);
  return reduced.strides[reduced.strides.length - 1] === 1;
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
      forEachPlace({ dims: shape, strides: [kept] }, (i, [k = 0]) => {
        y[k] = kind.combine(at(y, k), at(x?.data ?? [], i));
      });
      return [mean ? y.map((v) => v / countOf(shape, axes)) : y];
    },
    variants: {
      v2: {
        // On a GPU, for outputs that lie side by side: neighbouring invocations read neighbouring elements.
        supports: (site, caps) => caps.software || !reducesInnermost(site),
        dispatches: chunked(name, code, mean, 'v2', 'invocation', 256),
      },
      v3: { dispatches: chunked(name, code, mean, 'v3', 'workgroup', 4096) },
      v1: { dispatches: chunked(name, code, mean, 'v1', 'invocation', Number.POSITIVE_INFINITY) },
    },
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

/** `dy` shared evenly among equal maxima, as torch.amax. */
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
