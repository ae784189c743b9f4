/** The rows of a profile's tables: time, rates and share of the roofline, by module, op, kernel or dispatch. */
import { median, sum } from '../tuning/median.ts';
import { append, at } from '../types.ts';
import { COARSE_TICK, type Direction, type DispatchRecord, type Peaks, type Profile } from './profile.ts';

/** The things that a row of a table can stand for. */
export const GROUPINGS = ['module', 'op', 'kernel', 'dispatch'] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** Dispatches that a row stands for. */
export interface Group {
  readonly key: string;
  /** Indices of `Profile.dispatches`. */
  readonly members: readonly number[];
  /** Milliseconds of all of them, one number for each run. */
  readonly ms: readonly number[];
}

/** A row of a table. Rates and shares are those of the median time. */
export interface ProfileRow {
  readonly key: string;
  readonly count: number;
  /** Median over the runs, in µs. */
  readonly us: number;
  /** Half the distance between the slowest and the fastest run, in µs. */
  readonly spreadUs: number;
  /** Share of the time of all dispatches, and of the rows up to this one. */
  readonly share: number;
  readonly cumulativeShare: number;
  readonly gflops: number;
  readonly gigabytesPerSecond: number;
  /** FLOP for each byte. */
  readonly intensity: number;
  /** The peak that bounds most of the least time. */
  readonly bound: 'arithmetic' | 'memory';
  /** The least time by the measured peaks, as a share of the time. Above 1 where data came from a cache. */
  readonly rooflineShare: number;
  /** The record of the dispatch, in tables by dispatch. */
  readonly dispatch?: Omit<DispatchRecord, 'ns' | 'begin'> & { readonly index: number };
}

/** Returns the first `depth` parts of a module path; `(step)` for ops outside of modules. */
export const modulePrefix = (path: string, depth: number): string =>
  path === '' ? '(step)' : path.split('.').slice(0, depth).join('.');

/** Returns how a pass is named before a module: nothing for the forward pass. */
export const directionPrefix = (direction: Direction): string => (direction === 'forward' ? '' : `${direction} `);

/** Returns the groups of a profile, the slowest first. @param depth parts of the module path that tell groups by module apart */
export function groupsOf({ dispatches, step }: Profile, by: Grouping, depth: number): Group[] {
  const groups = new Map<string, number[]>();
  const seen = new Map<string, number>();
  dispatches.forEach((dispatch, i) => {
    append(groups, by === 'dispatch' ? ordinalKey(dispatch, seen) : keyOfGroup(dispatch, by, depth), i);
  });
  const made = [...groups].map(([key, members]): Group => {
    const ms = step.kernels.map((_, run) => sum(members.map((i) => at(at(dispatches, i).ns, run))) / 1e6);
    return { key, members, ms };
  });
  return made.sort((a, b) => median(b.ms) - median(a.ms));
}

function keyOfGroup({ path, direction, op, kernel }: DispatchRecord, by: Grouping, depth: number): string {
  switch (by) {
    case 'module':
      return `${directionPrefix(direction)}${modulePrefix(path, depth)}`;
    case 'op':
      return op;
    default:
      return kernel;
  }
}

/** A dispatch's kernel, operands and module; equal ones are numbered, so that two profiles name them alike. */
function ordinalKey({ path, direction, kernel, operands }: DispatchRecord, seen: Map<string, number>): string {
  const key = `${kernel} ${operands.join(' ')} ${directionPrefix(direction)}${path}`;
  const count = (seen.get(key) ?? 0) + 1;
  seen.set(key, count);
  return count === 1 ? key : `${key} #${count}`;
}

/** Returns the least nanoseconds of the arithmetic and of the memory traffic of a dispatch. */
export function leastTimes(
  { flops, matrixFlops, bytes }: Pick<DispatchRecord, 'flops' | 'matrixFlops' | 'bytes'>,
  { f32, matrix, bytesPerSecond }: Peaks,
): { readonly arithmetic: number; readonly memory: number } {
  const seconds = matrixFlops > 0 && matrix !== null ? matrixFlops / matrix : flops / f32;
  return { arithmetic: seconds * 1e9, memory: (bytes / bytesPerSecond) * 1e9 };
}

/** Returns the rows of a table, the slowest first. @param depth as for `groupsOf` */
export function profileRows(profile: Profile, by: Grouping, depth: number): ProfileRow[] {
  const groups = groupsOf(profile, by, depth);
  const total = sum(groups.map(({ ms }) => median(ms)));
  let before = 0;
  return groups.map(({ key, members, ms: each }): ProfileRow => {
    const records = members.map((i) => at(profile.dispatches, i));
    const ms = median(each);
    const [flops, bytes] = [sum(records.map((r) => r.flops)), sum(records.map((r) => r.bytes))];
    const least = records.map((record) => leastTimes(record, profile.peaks));
    const [arithmetic, memory] = [sum(least.map((l) => l.arithmetic)), sum(least.map((l) => l.memory))];
    const share = total > 0 ? ms / total : 0;
    before += share;
    return {
      key,
      count: members.length,
      us: ms * 1000,
      spreadUs: ((Math.max(...each) - Math.min(...each)) / 2) * 1000,
      share,
      cumulativeShare: before,
      gflops: rate(flops, ms),
      gigabytesPerSecond: rate(bytes, ms),
      intensity: bytes > 0 ? flops / bytes : 0,
      bound: arithmetic > memory ? 'arithmetic' : 'memory',
      ...(by === 'dispatch' ? { dispatch: described(profile, at(members, 0)) } : {}),
      rooflineShare: ms > 0 ? sum(least.map((l) => Math.max(l.arithmetic, l.memory))) / 1e6 / ms : 0,
    };
  });
}

function described({ dispatches }: Profile, index: number): NonNullable<ProfileRow['dispatch']> {
  const { ns: _, begin: __, ...record } = at(dispatches, index);
  return { index, ...record };
}

/** Billions a second. */
const rate = (amount: number, ms: number): number => (ms > 0 ? amount / ms / 1e6 : 0);

/**
 * Returns the time of the dispatches, each timed by itself, as a share of the GPU's busy time: that of the same dispatches in
 * passes of several. The fastest run of each dispatch and of each pass counts, because another program on the machine makes runs
 * slower, never faster. Where timestamps are coarse, the fastest run of the dispatches of a pass counts instead.
 */
export function coverage({ dispatches, passes, step, tickNs }: Profile): number {
  let [kernels, busy, first] = [0, 0, 0];
  for (const pass of passes) {
    const members = dispatches.slice(first, first + pass.dispatches);
    kernels +=
      tickNs < COARSE_TICK
        ? sum(members.map(({ ns }) => Math.min(...ns)))
        : Math.min(...step.kernels.map((_, run) => sum(members.map(({ ns }) => at(ns, run)))));
    busy += Math.min(...pass.ns);
    first += pass.dispatches;
  }
  return busy > 0 ? kernels / busy : Number.NaN;
}
