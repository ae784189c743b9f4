/** A queue that cannot be used is refused in one sentence. `npm run test:scale` has real servers. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Job } from '../../../commands/prompt_bench/jobs/job.ts';
import { awaitJobs, enqueue } from '../../../commands/prompt_bench/machines/queue.ts';
import { type JobQueue, openQueueEngine } from '../../../commands/prompt_bench/machines/queue_engine.ts';
import { QueueProgress } from '../../../commands/prompt_bench/machines/queue_progress.ts';
import { FolderStore } from '../../../commands/prompt_bench/stores/job_store.ts';
import { REFERENCE_SETTINGS, withSettings } from '../../../src/reno/settings/settings.ts';

describe('a queue', () => {
  it('is on Redis or Postgres', async () => {
    await expect(openQueueEngine('mysql://localhost/reno')).rejects.toThrow(
      '--queue must be an address such as redis://localhost:6379 or postgres://localhost/reno, not "mysql://localhost/reno"',
    );
  });

  it.each(['redis', 'postgres'])('that does not answer is named without its password: %s', async (kind) => {
    // Nobody listens on port 1.
    await expect(openQueueEngine(`${kind}://me:secret@127.0.0.1:1/x`)).rejects.toThrow(
      `cannot use the queue ${kind}://me:…@127.0.0.1:1/x: connect ECONNREFUSED 127.0.0.1:1`,
    );
  });
});

it('the wait for jobs goes on when the server starts again, and a job that failed is recorded', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'reno-queue-'));
  try {
    const store = new FolderStore(folder);
    const job = { key: 'ab'.repeat(32), prompt: 'p', arm: 'reno', index: 0, listSeed: 0 } as Job;
    let asked = 0;
    const queue = {
      getFailed: async () => {
        asked += 1;
        if (asked === 1) {
          throw new Error('read ECONNRESET');
        }
        return [{ id: job.key, failedReason: 'the loss is not finite' }];
      },
    } as unknown as JobQueue;
    const ends: string[] = [];
    const onEnd = ({ key }: Job, end: string): void => void ends.push(`${key} ${end}`);
    await awaitJobs(queue, store, [job], { onEnd, signal: new AbortController().signal });
    expect(ends).toEqual([`${job.key} failed`]);
    expect((await store.failures())[0]?.reason).toBe('the loss is not finite');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

it('a job stands in the queue as text, since Postgres reorders the keys of objects', async () => {
  const added: Parameters<JobQueue['addBulk']>[0] = [];
  const queue = {
    getJob: async () => undefined,
    addBulk: async (jobs: typeof added) => void added.push(...jobs),
  } as unknown as JobQueue;
  const job = { key: 'ab'.repeat(32), prompt: 'p', arm: 'reno', listSeed: 1, noise: { seed: 1, draw: 0 } } as Job;
  await enqueue(queue, [job]);
  expect(added[0]?.name).toBe('p (reno, seed 1)');
  expect(added[0]?.data).toEqual({ prompt: 'p', method: 'reno', seed: 1, job: JSON.stringify(job) });
  expect(added[0]?.opts.jobId).toBe(job.key);
});

it('a dashboard sees percent at most once a second, log lines and the result in short; a queue that is away stops no run', () => {
  const percents: number[] = [];
  const lines: string[] = [];
  const taken = {
    updateProgress: async (percent: number) => void percents.push(percent),
    log: async (line: string) => {
      lines.push(line);
      throw new Error('read ECONNRESET');
    },
  };
  let time = 0;
  const progress = new QueueProgress(
    taken,
    { settings: withSettings(REFERENCE_SETTINGS, { nIters: 4 }) } as Job,
    () => time,
  );
  for (const total of [3, 1, 2, 1.5]) {
    time += 600;
    progress.onIteration({ total });
  }
  expect(progress.ended()).toEqual({ pictures: 4, seconds: 2.4, firstLoss: 3, bestLoss: 1, bestIteration: 1 });
  expect(percents).toEqual([50, 100, 100]);
  expect(lines).toEqual(['4 pictures in 2.4 s; the weighted loss fell from 3.000 to 1.000, at iteration 1']);
});
