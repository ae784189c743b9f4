/** The part `shards`: three shards, one killed in the middle and run again; their folders merged. */
import { join } from 'node:path';
import { FolderStore } from '../prompt_bench/stores/job_store.ts';
import { differenceOf, jobHashes, started } from './job_set.ts';

export interface ScaleRow {
  readonly part: string;
  readonly what: string;
  readonly ok: boolean;
  readonly found: string;
}

export interface ScaleOptions {
  readonly folder: string;
  readonly list: string;
  /** The command line of the jobs, without --out. */
  readonly tokens: readonly string[];
  readonly count: number;
  /** Hashes of the results of a single process. */
  readonly expected: ReadonlyMap<string, string>;
  readonly add: (row: ScaleRow) => void;
}

const SHARDS = 3;

export async function shardsPart({ folder, tokens, count, expected, add }: ScaleOptions): Promise<void> {
  const outs = Array.from({ length: SHARDS }, (_, i) => join(folder, `shard-${i}`));
  const environment = (i: number) => ({
    SLURM_ARRAY_TASK_ID: String(i),
    SLURM_ARRAY_TASK_MIN: '0',
    SLURM_ARRAY_TASK_MAX: String(SHARDS - 1),
    SLURM_ARRAY_TASK_COUNT: String(SHARDS),
  });
  const run = (i: number) => started('commands/bin.ts', [...tokens, '--out', outs[i] ?? ''], environment(i));
  let killed = 0;
  for (const [i, out] of outs.entries()) {
    const first = run(i);
    if (i === 1) {
      await until(() => (first.said().match(/ done /g)?.length ?? 0) >= Math.min(5, count / SHARDS / 2), first.ended);
      first.kill('SIGKILL');
      await first.ended;
      killed = (await new FolderStore(out).done()).size;
      await run(i).ended;
    } else {
      await first.ended;
    }
  }
  const merged = join(folder, 'merged');
  const { out } = await started('commands/bin.ts', ['bench', 'merge', ...outs, '--out', merged, '--json']).ended;
  const last = JSON.parse(out.trim().split('\n').at(-1) ?? '{}') as {
    rows?: { done: number; failed: unknown[]; left: number }[];
  };
  const ledger = last.rows?.[0];
  const problem = differenceOf(expected, jobHashes(merged));
  add({
    part: 'shards',
    what: `${SHARDS} tasks of a Slurm array, one killed with SIGKILL after ${killed} of its jobs and run again`,
    ok: problem === null && ledger?.done === count - 1 && ledger.failed.length === 1 && ledger.left === 0,
    found:
      problem ??
      `${ledger?.done} done once, the same bytes, ${ledger?.failed.length} failed and named, ${ledger?.left} left`,
  });
}

/** Waits until a condition holds or the process has ended. */
export async function until(condition: () => boolean, ended: Promise<unknown>): Promise<void> {
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  while (!condition() && !isOver) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
