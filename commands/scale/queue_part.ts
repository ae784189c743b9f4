/** The parts `queue` and `postgres`: three workers; one is killed, one loses its device, the server restarts, one job always fails. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { FolderStore } from '../prompt_bench/stores/job_store.ts';
import { differenceOf, jobHashes, started } from './job_set.ts';
import { PostgresServer } from './postgres_server.ts';
import { RedisServer } from './redis_server.ts';
import { type ScaleOptions, until } from './shards_part.ts';

/** A server that a test starts, kills and starts again. */
interface TestServer {
  readonly url: string;
  start(): Promise<void>;
  /** Ends it as a power failure would. */
  kill(): Promise<void>;
}

const SERVERS: Readonly<
  Record<'queue' | 'postgres', { name: string; start: (folder: string) => Promise<TestServer> }>
> = {
  queue: { name: 'Redis', start: RedisServer.start },
  postgres: { name: 'Postgres', start: PostgresServer.start },
};

export async function queuePart(
  part: keyof typeof SERVERS,
  { folder, tokens, count, expected, add }: ScaleOptions,
): Promise<void> {
  const out = join(folder, part);
  const data = join(folder, `${part}-data`);
  mkdirSync(data);
  mkdirSync(out);
  const { name, start } = SERVERS[part];
  const server = await start(data);
  const store = new FolderStore(out);
  const worker = () => started('commands/bin.ts', ['worker', '--queue', server.url, '--out', out, '--json']);
  const workers = [worker(), worker(), started('commands/scale/losing_worker.ts', [server.url, out])];
  try {
    const producer = started('commands/bin.ts', [...tokens, '--out', out, '--queue', server.url, '--json']);
    const reached = async (share: number): Promise<void> => {
      let done = 0;
      const watch = setInterval(() => {
        void store.done().then((keys) => {
          done = keys.size;
        });
      }, 200);
      await until(() => done >= count * share, producer.ended);
      clearInterval(watch);
    };
    await reached(0.25);
    workers[0]?.kill('SIGKILL');
    await reached(0.5);
    await server.kill();
    await server.start();
    const { code, out: said } = await producer.ended;
    for (const { kill } of workers.slice(1)) {
      kill('SIGTERM');
    }
    const ends = await Promise.all(workers.slice(1).map(({ ended }) => ended));
    const problem = differenceOf(expected, jobHashes(out));
    const failures = await store.failures();
    const ok =
      problem === null && code === 1 && failures.length === 1 && /line \d+ of the list/.test(failures[0]?.reason ?? '');
    add({
      part,
      what: `${count} jobs, 3 workers: one killed with SIGKILL, ${name} killed and restarted, one device lost, one job that always fails`,
      ok,
      found:
        problem ??
        `${expected.size / 3} done once, the same bytes as one process; failed and named: ${failures.map(({ reason }) => reason).join(', ')}`,
    });
    const losing = ends[1]?.out.trim().split('\n').at(-1) ?? '';
    const lost = JSON.parse(losing || '{}') as { lost?: boolean; jobs?: number; devices?: number };
    add({
      part,
      what: 'the worker whose device was lost',
      ok: lost.lost === true && (lost.devices ?? 0) >= 2,
      found: `lost it, opened ${(lost.devices ?? 1) - 1} other, did ${lost.jobs} jobs`,
    });
    const other = JSON.parse(ends[0]?.out.trim().split('\n').at(-1) || '{}') as { summary?: string };
    add({
      part,
      what: 'a worker that was not disturbed',
      ok: ends[0]?.code === 0,
      found: other.summary ?? 'said nothing',
    });
    const last = JSON.parse(said.trim().split('\n').at(-1) || '{}') as { summary?: string };
    add({
      part,
      what: 'the command that put them in',
      ok: last.summary?.startsWith(`${count - 1} of ${count} jobs done, 1 failed`) === true,
      found: last.summary?.split(': /')[0] ?? 'said nothing',
    });
  } finally {
    for (const { kill } of workers) {
      kill('SIGKILL');
    }
    await server.kill();
  }
}
