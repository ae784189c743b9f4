/** `npm run test:scale`: jobs in one process, in shards and through a queue, with everything failing that can; the same bytes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXIT } from '../../src/cli/exit_codes.ts';
import { type Args, type Command, countFlag, textFlag } from '../../src/cli/flags/args.ts';
import { finish, jsonFlag } from '../../src/cli/flags/shared.ts';
import { onSignal } from '../../src/cli/interruption.ts';
import { sentenceOf } from '../../src/cli/usage_error.ts';
import { bucketPart } from './bucket_part.ts';
import { jobHashes, SHORT, started, writeList } from './job_set.ts';
import { loadPart } from './load_part.ts';
import { queuePart } from './queue_part.ts';
import { type ScaleOptions, type ScaleRow, shardsPart } from './shards_part.ts';

const PARTS = ['queue', 'postgres', 'shards', 'bucket', 'load'] as const;
const JOB_PARTS: Readonly<Record<string, (options: ScaleOptions) => Promise<void>>> = {
  queue: (options) => queuePart('queue', options),
  postgres: (options) => queuePart('postgres', options),
  shards: shardsPart,
  bucket: bucketPart,
};

export const command: Command = {
  meta: {
    name: 'scale',
    description: 'Jobs in shards and through a queue: kill, restart, lose; the same bytes as in one process',
  },
  args: {
    only: { type: 'enum', options: [...PARTS], description: 'Only one part' },
    jobs: { type: 'string', description: 'Jobs of all parts but load', default: '200', valueHint: 'n' },
    workers: { type: 'string', description: 'Simulated workers of the part load', default: '1000', valueHint: 'n' },
    ...jsonFlag,
  },
  run: scale,
};

async function scale(args: Args): Promise<number> {
  const only = textFlag(args, 'only');
  const count = countFlag(args, 'jobs', 8) ?? 200;
  const folder = mkdtempSync(join(tmpdir(), 'reno-scale-'));
  onSignal(() => process.exit(EXIT.terminated)); // What ends with the process is then ended too.
  const rows: ScaleRow[] = [];
  const add = (row: ScaleRow): void => {
    rows.push(row);
    console.log(`${row.ok ? 'ok  ' : 'FAIL'} ${row.part}  ${row.what}: ${row.found}`);
  };
  try {
    if (only !== 'load') {
      const options = await reference(folder, count, add);
      for (const [part, run] of Object.entries(JOB_PARTS)) {
        if (only === undefined || only === part) {
          await run(options).catch((error) =>
            add({ part, what: 'the part itself', ok: false, found: sentenceOf(error) }),
          );
        }
      }
    }
    if (only === undefined || only === 'load') {
      await loadPart(folder, countFlag(args, 'workers', 1) ?? 1000, add).catch((error) =>
        add({ part: 'load', what: 'the part itself', ok: false, found: sentenceOf(error) }),
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const failed = rows.filter(({ ok }) => !ok);
  const summary = `${rows.length - failed.length} of ${rows.length} hold; ${rows.map(({ found }) => found).join('; ')}`;
  return finish(args, rows.length > 0 && failed.length === 0, summary, rows);
}

/** The same jobs in a single process. */
async function reference(folder: string, count: number, add: ScaleOptions['add']): Promise<ScaleOptions> {
  const list = join(folder, 'list.jsonl');
  const out = join(folder, 'single');
  writeList(list, count);
  const tokens = ['bench', 'geneval', list, ...SHORT] as const;
  const start = performance.now();
  const { code } = await started('commands/bin.ts', [...tokens, '--out', out]).ended;
  const expected = jobHashes(out);
  const done = [...expected.keys()].filter((path) => path.endsWith('result.json')).length;
  const ok = done === count - 1 && code === 1;
  add({
    part: 'single',
    what: `${count} jobs, one of which always fails`,
    ok,
    found: `${done} done in ${((performance.now() - start) / 1000).toFixed(0)} s, exit code ${code} (1 says that one failed)`,
  });
  return { folder, list, tokens, count, expected, add };
}
