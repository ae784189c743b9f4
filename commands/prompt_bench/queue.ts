/**
 * Jobs through a queue on an engine that exists: BullMQ (https://docs.bullmq.io) on Redis. The packages bullmq and ioredis are
 * optional; nobody who does without a queue needs them. A job's id is its key, so that it stands in the queue once.
 */
import type { Queue } from 'bullmq';
import type { Redis as Connection } from 'ioredis';
import { sentenceOf, UsageError } from '../../src/cli/usage_error.ts';
import type { Job } from './job.ts';
import { failureOf, type JobStore } from './job_store.ts';

/** A killed worker's job is given to another this many times, then it ends in the failed set. */
export const MOST_STALLS = 2;
/** A lock that nobody renews for this long, in milliseconds, belongs to a dead worker. */
export const LOCK_MS = 30_000;
/** The other failures of a job before it ends in the failed set. */
const ATTEMPTS = 3;

export const queueFlag = {
  queue: {
    type: 'string',
    description: 'Jobs go through this queue to workers, such as redis://localhost:6379 (see docs/scale.md)',
    valueHint: 'url',
  },
} as const;

export interface QueuePackages {
  readonly bullmq: typeof import('bullmq');
  readonly Redis: typeof import('ioredis').Redis;
}

/** @throws Error, one sentence, where a package is missing */
export async function queuePackages(): Promise<QueuePackages> {
  try {
    return { bullmq: await import('bullmq'), Redis: (await import('ioredis')).Redis };
  } catch {
    throw new Error('a queue needs two more packages: npm install bullmq ioredis');
  }
}

/** The queue's name. Workers of another model do not see it. */
export function queueName(model: string): string {
  return `reno-${model.replaceAll(/[^\w.-]/g, '-')}`;
}

/**
 * Connects, and checks what BullMQ needs of Redis: version 6.2 or later, and that it never drops keys.
 * @throws Error, one sentence, where it does not answer or is not fit
 */
export async function connected({ Redis }: QueuePackages, url: string): Promise<Connection> {
  if (!/^rediss?:\/\//.test(url)) {
    throw new UsageError(`--queue must be an address such as redis://localhost:6379, not "${url}"`);
  }
  // BullMQ's blocking commands wait as long as it takes; a first connection that fails is said at once.
  const redis = new Redis(url, { maxRetriesPerRequest: null, lazyConnect: true });
  let last = '';
  redis.on('error', (error: Error) => {
    last = sentenceOf(error);
  });
  try {
    await Promise.race([redis.connect(), expired(10_000)]);
    const version = /redis_version:(\d+)\.(\d+)/.exec(await redis.info('server'));
    const [major, minor] = [Number(version?.[1]), Number(version?.[2])];
    if (major < 6 || (major === 6 && minor < 2)) {
      throw new Error(`it is Redis ${major}.${minor}, and BullMQ needs 6.2 or later`);
    }
    const settings = await redis.config('GET', 'maxmemory-policy').catch(() => []);
    const policy = Array.isArray(settings) ? settings[1] : undefined;
    if (policy !== undefined && policy !== 'noeviction') {
      throw new Error(`its maxmemory-policy is ${String(policy)}, by which jobs can be lost: set it to noeviction`);
    }
    if (/aof_enabled:0/.test(await redis.info('persistence'))) {
      console.error(
        'warning: Redis keeps no append-only file, so that jobs are lost when it restarts: set appendonly yes',
      );
    }
    return redis;
  } catch (error) {
    redis.disconnect();
    throw new Error(`cannot use the queue ${hidden(url)}: ${last || sentenceOf(error)}`);
  }
}

/** The address without its password. */
function hidden(url: string): string {
  return url.replace(/:[^:@/]*@/, ':…@');
}

async function expired(milliseconds: number): Promise<never> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
  throw new Error(`no answer within ${milliseconds / 1000} s`);
}

/** Puts jobs into the queue. One that ended there before, without a result in the store, is put in again. */
export async function enqueue(queue: Queue, jobs: readonly Job[]): Promise<void> {
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
        name: `${job.arm}: ${job.prompt.slice(0, 80)}`,
        data: job,
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

/**
 * Waits until each job has a result in the store, or stands in the queue's failed set with its last reason, which is recorded.
 * It asks store and queue once a second, so that a lost message loses nothing.
 */
export async function awaitJobs(queue: Queue, store: JobStore, jobs: readonly Job[], hooks: AwaitHooks): Promise<void> {
  const open = new Map(jobs.map((job) => [job.key, job]));
  while (open.size > 0 && !hooks.signal.aborted) {
    const done = await store.done();
    for (const [key, job] of open) {
      if (done.has(key)) {
        open.delete(key);
        hooks.onEnd(job, 'done');
      }
    }
    for (const failed of await queue.getFailed(0, -1)) {
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
