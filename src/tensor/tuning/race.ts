/** Finds the fastest of several implementations: it probes each on part of the work, then times the fast ones in turns. It knows nothing of GPUs. */
import { at } from '../types.ts';

/** One implementation, cut to at most so many workgroups. */
export interface Runner {
  /** The part of the whole work that it does, in (0, 1]. */
  readonly share: number;
  /** Runs it. @returns nanoseconds of one run */
  time(): Promise<number>;
  close(): void;
}

export type OpenRunner = (name: string, workgroups: number) => Promise<Runner>;

export interface RaceOptions {
  /** Milliseconds that all timed rounds together should take. Default 400. */
  readonly budgetMs?: number;
  /** Maximum rounds; fewer, but at least 5, where they would take longer than the budget. Default 13. */
  readonly rounds?: number;
}

/** A probe grows until it takes this long: the time of a GPU that is not full says nothing. */
const PROBE_NS = 1e6;
/** A probe that takes longer is not repeated. */
const SLOW_PROBE_NS = 200e6;
/** Workgroups of the first probe, and the factor from one probe to the next. */
const FIRST_PROBE = 64;
const GROWTH = 8;
/** Drops implementations slower than the best by this factor. */
const DROP_FACTOR = 5;
/** Maximum time of one timed run: browsers kill work that takes seconds. */
const MAX_RUN_NS = 200e6;

/** The fastest wins over the first only if its time is below this part of the first's; smaller gains are noise. */
const WORTHWHILE = 0.95;

export interface RaceResult {
  readonly winner: string;
  /** Nanoseconds of one whole run, by name. */
  readonly ns: Readonly<Record<string, number>>;
}

/** @param names in order of preference: the first wins unless another is more than 5% faster */
export async function race(names: readonly string[], open: OpenRunner, options: RaceOptions = {}): Promise<RaceResult> {
  const { budgetMs = 400, rounds = 13 } = options;
  const estimates = new Map<string, number>();
  let best = Number.POSITIVE_INFINITY;
  for (const name of names) {
    const estimate = await probe(name, open, best * DROP_FACTOR);
    estimates.set(name, estimate);
    best = Math.min(best, estimate);
  }
  const finalists = names.filter((name) => (estimates.get(name) ?? 0) <= best * DROP_FACTOR);
  const sum = finalists.reduce((n, name) => n + Math.min(estimates.get(name) ?? 0, MAX_RUN_NS), 0);
  const count = Math.max(5, Math.min(rounds, Math.floor((budgetMs * 1e6) / sum)));
  const ns = Object.fromEntries(estimates);
  const runners: { name: string; runner: Runner; times: number[] }[] = [];
  try {
    for (const name of finalists) {
      runners.push({ name, runner: await openWithin(name, open, estimates.get(name) ?? 0), times: [] });
    }
    for (const { runner } of runners) {
      await runner.time();
    }
    for (let round = 0; round < count; round++) {
      for (const { runner, times } of runners) {
        times.push((await runner.time()) / runner.share);
      }
    }
  } finally {
    for (const { runner } of runners) {
      runner.close();
    }
  }
  for (const { name, times } of runners) {
    ns[name] = lowerQuartile(times);
  }
  const time = (name: string): number => ns[name] ?? Number.POSITIVE_INFINITY;
  const first = at(finalists, 0);
  const fastest = finalists.reduce((a, b) => (time(b) < time(a) ? b : a), first);
  return { winner: time(fastest) < time(first) * WORTHWHILE ? fastest : first, ns };
}

/** Estimates the time of one whole run from a part that grows until it takes PROBE_NS, or until the estimate exceeds `limit`. */
async function probe(name: string, open: OpenRunner, limit: number): Promise<number> {
  for (let workgroups = FIRST_PROBE; ; workgroups *= GROWTH) {
    const runner = await open(name, workgroups);
    try {
      await runner.time(); // compiles, fills caches
      let ns = await runner.time();
      for (let again = 0; again < 2 && ns < SLOW_PROBE_NS; again++) {
        ns = Math.min(ns, await runner.time()); // One busy moment must not decide.
      }
      if (runner.share >= 1 || ns >= PROBE_NS * GROWTH || ns > limit) {
        return ns / runner.share;
      }
      if (ns >= PROBE_NS && ns / runner.share > limit) {
        return ns / runner.share;
      }
    } finally {
      runner.close();
    }
  }
}

/** Opens the whole work, or as much of it as MAX_RUN_NS allows. */
async function openWithin(name: string, open: OpenRunner, estimate: number): Promise<Runner> {
  const whole = await open(name, Number.POSITIVE_INFINITY);
  if (estimate <= MAX_RUN_NS) {
    return whole;
  }
  whole.close();
  let workgroups = FIRST_PROBE;
  for (;;) {
    const runner = await open(name, workgroups);
    if (runner.share >= 1 || estimate * runner.share * 2 > MAX_RUN_NS) {
      return runner;
    }
    runner.close();
    workgroups *= 2;
  }
}

/** Other work on the machine only adds time, so the fast runs say more than the slow ones. */
const lowerQuartile = (values: readonly number[]): number =>
  at(
    [...values].sort((a, b) => a - b),
    values.length >> 2,
  );
