/** Which of several ways to do one thing is fastest: probed in part, then timed in turns. Knows nothing of GPUs. */
import { at } from './types.ts';

/** One way, cut to at most so many workgroups. */
export interface Runner {
  /** Which part of the whole it does, in (0, 1]. */
  readonly share: number;
  /** Runs it. @returns nanoseconds of one run */
  time(): Promise<number>;
  close(): void;
}

export type OpenRunner = (name: string, workgroups: number) => Promise<Runner>;

export interface RaceOptions {
  /** Milliseconds that the timed rounds of all ways together should take. Default 400. */
  readonly budgetMs?: number;
  /** Most rounds; fewer (never under 5) where they would take longer than the budget. Default 13. */
  readonly rounds?: number;
}

/** A probe doubles as long as it takes less: a GPU must be filled before its time says anything. */
const PROBE_NS = 1e6;
/** What takes longer is probed once. */
const PATIENCE_NS = 200e6;
const FIRST_PROBE = 64;
const GROWTH = 8;
/** Who needs so many times the best's time is not timed further. */
const HOPELESS = 5;
/** A round of one way runs no longer than this: watchdogs of browsers end what takes seconds. */
const LONGEST_NS = 200e6;

/** Gains below this are noise: the order stands. */
const WORTHWHILE = 0.95;

export interface RaceResult {
  readonly winner: string;
  /** Of all names, of one whole run. */
  readonly ns: Readonly<Record<string, number>>;
}

/** @param names in order of preference: the first wins unless another is more than 5% faster */
export async function race(names: readonly string[], open: OpenRunner, options: RaceOptions = {}): Promise<RaceResult> {
  const { budgetMs = 400, rounds = 13 } = options;
  const estimates = new Map<string, number>();
  let best = Number.POSITIVE_INFINITY;
  for (const name of names) {
    const estimate = await probe(name, open, best * HOPELESS);
    estimates.set(name, estimate);
    best = Math.min(best, estimate);
  }
  const entrants = names.filter((name) => (estimates.get(name) ?? 0) <= best * HOPELESS);
  const sum = entrants.reduce((n, name) => n + Math.min(estimates.get(name) ?? 0, LONGEST_NS), 0);
  const count = Math.max(5, Math.min(rounds, Math.floor((budgetMs * 1e6) / sum)));
  const ns = Object.fromEntries(estimates);
  const runners: { name: string; runner: Runner; times: number[] }[] = [];
  try {
    for (const name of entrants) {
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
  const first = at(entrants, 0);
  const fastest = entrants.reduce((a, b) => (time(b) < time(a) ? b : a), first);
  return { winner: time(fastest) < time(first) * WORTHWHILE ? fastest : first, ns };
}

/** Time of one whole run, from a part that grows until it says something, or until it is clear that it is hopeless. */
async function probe(name: string, open: OpenRunner, hopeless: number): Promise<number> {
  for (let workgroups = FIRST_PROBE; ; workgroups *= GROWTH) {
    const runner = await open(name, workgroups);
    try {
      await runner.time(); // compiles, fills caches
      let ns = await runner.time();
      for (let again = 0; again < 2 && ns < PATIENCE_NS; again++) {
        ns = Math.min(ns, await runner.time()); // A busy moment must not put anyone out of the race.
      }
      if (runner.share >= 1 || ns >= PROBE_NS * GROWTH || ns > hopeless) {
        return ns / runner.share;
      }
      if (ns >= PROBE_NS && ns / runner.share > hopeless) {
        return ns / runner.share;
      }
    } finally {
      runner.close();
    }
  }
}

/** The whole, or as much of it as takes no longer than is good. */
async function openWithin(name: string, open: OpenRunner, estimate: number): Promise<Runner> {
  const whole = await open(name, Number.POSITIVE_INFINITY);
  if (estimate <= LONGEST_NS) {
    return whole;
  }
  whole.close();
  let workgroups = FIRST_PROBE;
  for (;;) {
    const runner = await open(name, workgroups);
    if (runner.share >= 1 || estimate * runner.share * 2 > LONGEST_NS) {
      return runner;
    }
    runner.close();
    workgroups *= 2;
  }
}

/** Other work on the machine only ever adds time, so the quick half says more than the slow one. */
const lowerQuartile = (values: readonly number[]): number =>
  at(
    [...values].sort((a, b) => a - b),
    values.length >> 2,
  );
