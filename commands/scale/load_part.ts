/** The part `load`: many workers on one real Redis, with jobs that only wait. It measures; the figures have no bound to hold. */
import { fork } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';
import { RedisServer } from './redis_server.ts';
import type { ScaleOptions } from './shards_part.ts';

/** Workers in one process: their connections are what Redis sees. */
const PER_PROCESS = 250;
/** Jobs of a worker, and the milliseconds that a job waits. */
const JOBS_EACH = 4;
const WAITS = [5000, 500] as const;

/** The message that starts a process of simulated workers. It answers `ready`. */
export interface LoadOrder {
  readonly url: string;
  readonly queue: string;
  readonly workers: number;
}

export async function loadPart(folder: string, workers: number, add: ScaleOptions['add']): Promise<void> {
  const [bullmq, { Redis }] = await Promise.all([import('bullmq'), import('ioredis')]);
  const data = join(folder, 'redis-load');
  mkdirSync(data);
  const redis = await RedisServer.start(data);
  const connection = new Redis(redis.url, { maxRetriesPerRequest: null });
  try {
    for (const wait of WAITS) {
      const name = `load-${wait}`;
      const queue = new bullmq.Queue(name, { connection });
      const processes = Array.from({ length: Math.ceil(workers / PER_PROCESS) }, (_, i) => {
        const child = fork(join(PACKAGE_ROOT, 'commands/scale/load_workers.ts'), { stdio: 'inherit' });
        child.send({
          url: redis.url,
          queue: name,
          workers: Math.min(PER_PROCESS, workers - i * PER_PROCESS),
        } satisfies LoadOrder);
        return child;
      });
      await Promise.all(processes.map((child) => new Promise((resolve) => child.once('message', resolve))));
      const count = workers * JOBS_EACH;
      const before = await cpuSeconds(connection);
      const start = Date.now();
      for (let i = 0; i < count; i += 1000) {
        await queue.addBulk(
          Array.from({ length: Math.min(1000, count - i) }, (_, j) => ({
            name: 'wait',
            data: { wait },
            opts: { jobId: `job-${i + j}` },
          })),
        );
      }
      while ((await queue.getCompletedCount()) + (await queue.getFailedCount()) < count) {
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      const seconds = (Date.now() - start) / 1000;
      const cpu = (await cpuSeconds(connection)) - before;
      const completed = await queue.getCompleted(0, -1);
      const idle = completed.map((job) => (job.finishedOn ?? 0) - (job.processedOn ?? 0) - wait).sort((a, b) => a - b);
      const quantile = (q: number): number =>
        idle[Math.min(idle.length - 1, Math.floor(q * idle.length))] ?? Number.NaN;
      const ideal = (JOBS_EACH * wait) / 1000;
      add({
        part: 'load',
        what: `${workers} workers, ${count} jobs of ${wait / 1000} s`,
        ok: completed.length === count,
        found: `${seconds.toFixed(1)} s (${ideal.toFixed(0)} s without a queue), ${(count / seconds).toFixed(0)} jobs/s, a job's overhead ${quantile(0.5)} ms median and ${quantile(0.99)} ms at 99 %, Redis ${((100 * cpu) / seconds).toFixed(0)} % of a core`,
      });
      for (const child of processes) {
        child.kill('SIGKILL');
      }
      await queue.close();
    }
  } finally {
    connection.disconnect();
    await redis.kill();
  }
}

async function cpuSeconds(connection: { info: (section: string) => Promise<string> }): Promise<number> {
  const text = await connection.info('cpu');
  const of = (name: string): number => Number(new RegExp(`${name}:([\\d.]+)`).exec(text)?.[1] ?? 0);
  return of('used_cpu_sys') + of('used_cpu_user');
}
