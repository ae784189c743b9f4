/** How far a task is: jobs done, failed and left, and the time that the rest will take. */
import { duration } from '../../../src/reno/report/report.ts';
import type { Failure, JobStore } from '../stores/job_store.ts';
import type { JobRecord } from './job_result.ts';

/** A job as far as the ledger needs it. */
export interface LedgerJob {
  readonly key: string;
  readonly arm: string;
}

export interface Ledger {
  readonly all: number;
  readonly done: number;
  readonly failed: readonly Failure[];
  readonly left: number;
  /** Work of all jobs that are done, in seconds of one device. */
  readonly seconds: number;
  /** Work of the jobs that are left, from the mean of the same kind of run; null while none is done. */
  readonly secondsLeft: number | null;
}

/** Reads this many records of each kind of run at most, for its mean time. */
const SAMPLES = 50;

/** A failed job counts as failed, not as left. */
export async function ledgerOf(jobs: readonly LedgerJob[], store: JobStore): Promise<Ledger> {
  const keys = await store.done();
  const failures = new Map((await store.failures()).map((failure) => [failure.key, failure]));
  const done = jobs.filter(({ key }) => keys.has(key));
  const open = jobs.filter(({ key }) => !keys.has(key));
  const failed = open.flatMap(({ key }) => failures.get(key) ?? []);
  const left = open.filter(({ key }) => !failures.has(key));
  const means = await meanSeconds(done, store);
  const known = [...means.values()];
  const typical = known.reduce((a, b) => a + b, 0) / known.length;
  return {
    all: jobs.length,
    done: done.length,
    failed,
    left: left.length,
    seconds: done.reduce((sum, { arm }) => sum + (means.get(arm) ?? 0), 0),
    secondsLeft: known.length === 0 ? null : left.reduce((sum, { arm }) => sum + (means.get(arm) ?? typical), 0),
  };
}

async function meanSeconds(done: readonly LedgerJob[], store: JobStore): Promise<Map<string, number>> {
  const means = new Map<string, number>();
  for (const arm of new Set(done.map((job) => job.arm))) {
    const own = done.filter((job) => job.arm === arm).slice(-SAMPLES);
    let sum = 0;
    let count = 0;
    for (const { key } of own) {
      const bytes = await store.read(key, 'record.json');
      if (bytes) {
        sum += (JSON.parse(new TextDecoder().decode(bytes)) as JobRecord).seconds;
        count += 1;
      }
    }
    if (count > 0) {
      means.set(arm, sum / count);
    }
  }
  return means;
}

/** Such as "120 of 400 jobs done, 1 failed, 279 left, about 2 h 5 min of one device". */
export function ledgerLine({ all, done, failed, left, secondsLeft }: Ledger): string {
  const parts = [`${done} of ${all} jobs done`];
  if (failed.length > 0) {
    parts.push(`${failed.length} failed`);
  }
  if (left > 0) {
    parts.push(`${left} left${secondsLeft === null ? '' : `, about ${duration(secondsLeft)} of one device`}`);
  }
  return parts.join(', ');
}
