/** The part `bucket`: two shards write to one bucket, one is killed and run again; then status, report and merge read it. */
import { join } from 'node:path';
import { openPlace } from '../prompt_bench/stores/results_place.ts';
import { differenceOf, jobHashes, started } from './job_set.ts';
import { startS3Server } from './s3_server.ts';
import { type ScaleOptions, until } from './shards_part.ts';

/** Writers of one key at the same time. */
const WRITERS = 8;

export async function bucketPart({ folder, tokens, count, expected, add }: ScaleOptions): Promise<void> {
  const server = await startS3Server('results');
  const place = 's3://results/runs/one';
  const reno = (...words: string[]) => started('commands/bin.ts', words, server.environment);
  const summaryOf = async (process: ReturnType<typeof reno>): Promise<{ code: number | null; summary: string }> => {
    const { code, out, said } = await process.ended;
    const last = out.trim().split('\n').at(-1) ?? '';
    return { code, summary: last.startsWith('{') ? (JSON.parse(last) as { summary: string }).summary : said };
  };
  try {
    const shard = (i: number) => reno(...tokens, '--out', place, '--shard', `${i}/2`);
    const [other, killed] = [shard(1), shard(2)];
    await until(() => (killed.said().match(/ done /g)?.length ?? 0) >= Math.min(5, count / 4), killed.ended);
    killed.kill('SIGKILL');
    await killed.ended;
    await shard(2).ended;
    await other.ended;
    const whole = await summaryOf(reno(...tokens, '--out', place, '--json'));
    const status = await summaryOf(reno('bench', 'status', place, '--json'));
    const merged = join(folder, 'from-bucket');
    const merge = await summaryOf(reno('bench', 'merge', place, '--out', merged, '--json'));
    const problem = differenceOf(expected, jobHashes(merged));
    add({
      part: 'bucket',
      what: `two shards on one S3 bucket, one killed with SIGKILL and run again; merged into a folder`,
      ok: problem === null && merge.summary.startsWith(`${count - 1} of ${count} jobs done, 1 failed in `),
      found: problem ?? `${expected.size / 3} done once, the same bytes as one process`,
    });
    add({
      part: 'bucket',
      what: 'the whole command, and status, on the bucket',
      ok:
        whole.summary.startsWith(`${count - 1} of ${count} jobs done, 1 failed: `) &&
        status.summary === `${count - 1} jobs done, 1 failed, 0 left`,
      found: `${whole.summary}; status: ${status.summary}`,
    });
    Object.assign(process.env, server.environment);
    add(await race(`${place}-race`));
  } finally {
    server.stop();
  }
}

/** Many writers put one key at the same time, each with files of its own: one result counts, and it is one writer's. */
async function race(address: string): Promise<Parameters<ScaleOptions['add']>[0]> {
  const key = 'ab'.repeat(32);
  const places = await Promise.all(Array.from({ length: WRITERS }, () => openPlace(address)));
  const names = ['result.json', 'record.json', 'init.png', 'best.png'];
  await Promise.all(
    places.map(({ store }, i) => store.put(key, new Map(names.map((name) => [name, new Uint8Array([i])])))),
  );
  const read = await Promise.all(places.flatMap(({ store }) => names.map((name) => store.read(key, name))));
  const writers = new Set(read.map((bytes) => bytes?.[0]));
  const left = (await places[0]?.list('jobs'))?.length ?? 0;
  const ok = writers.size === 1 && !writers.has(undefined) && left === 0;
  return {
    part: 'bucket',
    what: `${WRITERS} writers of one key at the same time`,
    ok,
    found: ok ? 'all read the whole result of one of them' : `they read files of ${writers.size} writers`,
  };
}
