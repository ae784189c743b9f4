/**
 * Jobs through a queue on an engine that exists: BullMQ (https://docs.bullmq.io), on Redis or Postgres (queue_engine.ts). A job's id is
 * its key, so that it stands in the queue once.
 */
import { sentenceOf } from '../../../src/cli/usage_error.ts';
import type { Job } from '../jobs/job.ts';
import { failureOf, type JobStore } from '../stores/job_store.ts';
import type { JobQueue } from './queue_engine.ts';

/** A killed worker's job is given to another this many times, then it ends in the failed set. */
export const MOST_STALLS = 2;
/** A lock that nobody renews for this long, in milliseconds, belongs to a dead worker. */
export const LOCK_MS = 30_000;
/** The other failures of a job before it ends in the failed set. */
const ATTEMPTS = 3;

export const queueFlag = {
  queue: {
    type: 'string',
    description: 'Jobs go through this queue to workers: redis://HOST or postgres://HOST/NAME (see docs/scale.md)',
    valueHint: 'url',
  },
} as const;

/** The queue's name. Workers of another model do not see it. */
export function queueName(model: string): string {
  return `reno-${model.replaceAll(/[^\w.-]/g, '-')}`;
}

/** Puts jobs into the queue. One that ended there before, without a result in the store, is put in again. */
export async function enqueue(queue: JobQueue, jobs: readonly Job[]): Promise<void> {
  const BATCH = 500;
  for (let i = 0; i < jobs.length; i += BATCH) {
    const batch = jobs.slice(i, i + BATCH);
    const former = await Promise.all(batch.map(({ key }) => queue.getJob(key)));
    for (const job of former) {
      if (job && ((await job.isCompleted()) || (await job.isFailed()))) {
        await job.remove();
      }
    }
    await queue.addBulk(
      batch.map((job) => ({
        name: `${job.prompt.slice(0, 80)} (${job.arm}, seed ${job.listSeed})`,
        data: { prompt: job.prompt, method: job.arm, seed: job.listSeed, job: JSON.stringify(job) },
        opts: {
          jobId: job.key,
          attempts: ATTEMPTS,
          backoff: { type: 'exponential', delay: 1000 },
          removeOnComplete: { count: 1000 },
        },
      })),
    );
  }
}

export interface AwaitHooks {
  /** Called for each job whose result or failure has appeared. */
  readonly onEnd: (job: Job, end: 'done' | 'failed') => void;
  readonly signal: AbortSignal;
}

/** A queue that has not answered for this long, in milliseconds, is given up; the jobs stay in it. */
const MOST_SILENCE = 10 * 60_000;

/**
 * Waits until each job has a result in the store, or stands in the queue's failed set with its last reason, which is recorded.
 * It asks store and queue once a second, so that a lost message loses nothing, and a server that starts again is waited for.
 * @throws Error, one sentence, when the queue has not answered for ten minutes
 */
export async function awaitJobs(
  queue: JobQueue,
  store: JobStore,
  jobs: readonly Job[],
  hooks: AwaitHooks,
): Promise<void> {
  const open = new Map(jobs.map((job) => [job.key, job]));
  let silentSince: number | null = null;
  const failedJobs = async (): Promise<Awaited<ReturnType<JobQueue['getFailed']>>> => {
    try {
      const failed = await queue.getFailed(0, -1);
      silentSince = null;
      return failed;
    } catch (error) {
      if (silentSince === null) {
        console.error(`reno: the queue does not answer (${sentenceOf(error)}); it is asked again`);
      }
      silentSince ??= performance.now();
      if (performance.now() - silentSince > MOST_SILENCE) {
        throw new Error(`the queue has not answered for ten minutes: ${sentenceOf(error)}; the same command goes on`);
      }
      return [];
    }
  };
  while (open.size > 0 && !hooks.signal.aborted) {
    const done = await store.done();
    for (const [key, job] of open) {
      if (done.has(key)) {
        open.delete(key);
        hooks.onEnd(job, 'done');
      }
    }
    for (const failed of await failedJobs()) {
      const job = open.get(failed.id ?? '');
      if (job) {
        await store.fail(failureOf(job, failed.failedReason ?? 'unknown'));
        open.delete(job.key);
        hooks.onEnd(job, 'failed');
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}
