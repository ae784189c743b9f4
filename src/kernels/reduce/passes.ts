/** A reduction over any axes, in one dispatch, or in two: over chunks of the reduced elements, then over the chunks. */
import type { Dispatch } from '../../tensor/dispatch.ts';
import type { OpSite } from '../../tensor/op.ts';
import type { Shape } from '../../tensor/types.ts';
import { at, sizeOf, stridesOf } from '../../tensor/types.ts';
import { read, write } from '../common/bindings.ts';
import { DIVIDE } from '../common/divide.ts';
import { padFront } from '../common/strided.ts';
import type { Team } from '../common/team.ts';
import { teamDispatch } from '../common/team.ts';

/** Sorted axes, counted from the front. */
export type Reduce = { readonly axes: readonly number[]; readonly keepDims: boolean };

/**
 * A team reduces elements [chunk · length, …) of one output: kept dimensions k0…k2, reduced dimensions r0…r2.
 * Needs `initial`, `combine` and `combine_team`.
 */
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

/** Kept and reduced dimensions, where neighbours of one kind are merged, with the stride of each. */
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
    bindings: [read('x', p.from), write('y', p.to)],
  });
}

/** The dispatches of a reduction whose teams take at most `chunk` elements each; `code` combines two values. */
export function chunked(name: string, code: string, mean: boolean, variant: string, team: Team, chunk: number) {
  return (site: OpSite<Reduce>): Dispatch[] => {
    const runs = runsOf(at(site.inputs, 0).shape, site.attrs.axes);
    const [reduced, kept] = [sizeOf(runs.reduced.dims), sizeOf(runs.kept.dims)];
    const factor = mean ? 1 / reduced : 1;
    const label = `${name}.${variant}`;
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

/** Whether the innermost dimension is reduced, so that a team reads neighbouring elements. */
export function reducesInnermost(site: OpSite<Reduce>): boolean {
  const { reduced } = runsOf(at(site.inputs, 0).shape, site.attrs.axes);
  return reduced.strides[reduced.strides.length - 1] === 1;
}
