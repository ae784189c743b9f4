/**
 * The two servers on which BullMQ keeps a queue: Redis, and Postgres, for those who have one already. The packages bullmq, and ioredis
 * or pg, are optional; nobody who does without a queue needs them.
 */
import type { PgPool } from 'bullmq';
import { sentenceOf, UsageError } from '../../../src/cli/usage_error.ts';

type BullMq = typeof import('bullmq');

/** The data of a queued job. All but `job` is for people who look at the queue in a dashboard. */
export interface QueueData {
  readonly prompt: string;
  readonly method: string;
  /** The seed of the list. */
  readonly seed: number;
  /** The job as JSON in a text, because Postgres keeps the keys of objects in an order of its own, and bytes depend on it. */
  readonly job: string;
}

/** A job that a worker has taken. */
export interface TakenJob {
  readonly data: QueueData;
  /** Tells the queue how much is done, in percent. */
  updateProgress(percent: number): Promise<void>;
  /** Adds a line to the job's log in the queue. */
  log(line: string): Promise<unknown>;
}

/** A job as it stands in the queue. */
interface QueuedJob {
  readonly id?: string | undefined;
  readonly failedReason?: string | undefined;
  isCompleted(): Promise<boolean>;
  isFailed(): Promise<boolean>;
  remove(): Promise<unknown>;
}

/** The calls to BullMQ's Queue that are made here, the same on both servers. */
export interface JobQueue {
  getJob(id: string): Promise<QueuedJob | undefined>;
  getFailed(start: number, end: number): Promise<QueuedJob[]>;
  addBulk(
    jobs: {
      name: string;
      data: QueueData;
      opts: {
        jobId: string;
        attempts: number;
        backoff: { type: string; delay: number };
        removeOnComplete: { count: number };
      };
    }[],
  ): Promise<unknown>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  close(): Promise<void>;
}

/** A worker that takes the jobs of a queue. */
export interface QueueWorker {
  /** The number of jobs that it does at once. */
  concurrency: number;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'drained', listener: () => void): unknown;
  close(): Promise<void>;
}

export interface QueueWorkerOptions {
  readonly name: string;
  readonly concurrency: number;
  readonly lockDuration: number;
  readonly maxStalledCount: number;
}

/** A connection to a server. */
export interface QueueEngine {
  readonly bullmq: BullMq;
  queue(name: string): JobQueue;
  worker(name: string, run: (job: TakenJob) => Promise<unknown>, options: QueueWorkerOptions): QueueWorker;
  /** Ends the connection, after its queues and workers are closed. */
  close(): Promise<void>;
}

/** @param url `redis://…` or `postgres://…` @throws Error, one sentence: no such server, not fit, a package is missing */
export async function openQueueEngine(url: string): Promise<QueueEngine> {
  const isPostgres = /^postgres(ql)?:\/\//.test(url);
  if (!isPostgres && !/^rediss?:\/\//.test(url)) {
    throw new UsageError(
      `--queue must be an address such as redis://localhost:6379 or postgres://localhost/reno, not "${url}"`,
    );
  }
  let last = '';
  const noted = (error: Error): void => {
    last = sentenceOf(error);
  };
  try {
    return await (isPostgres ? postgresEngine(url, noted) : redisEngine(url, noted));
  } catch (error) {
    throw error instanceof MissingPackage
      ? error
      : new Error(`cannot use the queue ${hidden(url)}: ${last || sentenceOf(error)}`);
  }
}

class MissingPackage extends Error {}

async function packages<T>(load: () => Promise<T>, names: string): Promise<T & { bullmq: BullMq }> {
  try {
    return { bullmq: await import('bullmq'), ...(await load()) };
  } catch {
    throw new MissingPackage(`a queue needs two more packages: npm install ${names}`);
  }
}

/** Checks what BullMQ needs of Redis: version 6.2 or later, and that it never drops keys. */
async function redisEngine(url: string, noted: (error: Error) => void): Promise<QueueEngine> {
  const { bullmq, ioredis } = await packages(async () => ({ ioredis: await import('ioredis') }), 'bullmq ioredis');
  // BullMQ's blocking commands wait as long as it takes; a first connection that fails is said at once.
  const connection = new ioredis.Redis(url, { maxRetriesPerRequest: null, lazyConnect: true });
  connection.on('error', noted);
  try {
    await Promise.race([connection.connect(), expired(10_000)]);
    const version = /redis_version:(\d+)\.(\d+)/.exec(await connection.info('server'));
    const [major, minor] = [Number(version?.[1]), Number(version?.[2])];
    if (major < 6 || (major === 6 && minor < 2)) {
      throw new Error(`it is Redis ${major}.${minor}, and BullMQ needs 6.2 or later`);
    }
    const settings = await connection.config('GET', 'maxmemory-policy').catch(() => []);
    const policy = Array.isArray(settings) ? settings[1] : undefined;
    if (policy !== undefined && policy !== 'noeviction') {
      throw new Error(`its maxmemory-policy is ${String(policy)}, by which jobs can be lost: set it to noeviction`);
    }
    if (/aof_enabled:0/.test(await connection.info('persistence'))) {
      console.error(
        'warning: Redis keeps no append-only file, so that jobs are lost when it restarts: set appendonly yes',
      );
    }
  } catch (error) {
    connection.disconnect();
    throw error;
  }
  return {
    bullmq,
    queue: (name) => new bullmq.Queue<QueueData>(name, { connection }),
    worker: (name, run, options) => new bullmq.Worker<QueueData>(name, run, { connection, ...options }),
    close: async () => connection.disconnect(),
  };
}

/** Makes BullMQ's tables where they are not there yet. BullMQ itself refuses a Postgres before 13. */
async function postgresEngine(url: string, noted: (error: Error) => void): Promise<QueueEngine> {
  const { bullmq, pg } = await packages(async () => ({ pg: (await import('pg')).default }), 'bullmq pg');
  const schema = bullmq.DEFAULT_SCHEMA;
  const pool = new pg.Pool({
    connectionString: url,
    options: `-c search_path=${schema}`,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
  });
  pool.on('error', noted); // The pool opens another connection when it is asked next.
  try {
    const client = await pool.connect();
    await bullmq.runMigrations(client, schema).finally(() => client.release());
  } catch (error) {
    await pool.end();
    throw error;
  }
  const { Queue, Worker } = bullmq.withBackend(bullmq.createPostgresBackend);
  const connection = pool as unknown as PgPool; // What BullMQ asks for; only the overloads of @types/pg are others.
  return {
    bullmq,
    queue: (name) => new Queue<QueueData>(name, { connection }),
    worker: (name, run, options) => new Worker<QueueData>(name, run, { connection, ...options }),
    close: () => pool.end(),
  };
}

/** The address without its password. */
function hidden(url: string): string {
  return url.replace(/:[^:@/]*@/, ':…@');
}

async function expired(milliseconds: number): Promise<never> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
  throw new Error(`no answer within ${milliseconds / 1000} s`);
}
