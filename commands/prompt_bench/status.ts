/** `reno bench status FOLDER`: what is done, failed and left, from any machine that sees the folder. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from '../../src/cli/args.ts';
import type { OutFolder } from '../../src/cli/out_folder.ts';
import { nodeFileSystem, orNone } from '../../src/cli/run_store/file_system.ts';
import { keyOf, readJson } from '../../src/cli/run_store/names.ts';
import { finish, jsonFlag } from '../../src/cli/shared.ts';
import { UsageError } from '../../src/cli/usage_error.ts';
import type { BenchTask } from './bench_task.ts';
import { FolderStore } from './job_store.ts';
import { type Ledger, type LedgerJob, ledgerLine, ledgerOf } from './ledger.ts';

const TASKS = 'tasks';

/** A task as it is remembered in its folder. */
export interface RememberedTask {
  readonly list: string;
  readonly model: string;
  readonly seeds: readonly number[];
  readonly methods: readonly string[];
  readonly jobs: readonly LedgerJob[];
}

/** Writes down the jobs of a task, so that `status` and `merge` know what is still to come. */
export function rememberTask(folder: OutFolder, { list, model, seeds, comparison, jobs }: BenchTask): void {
  writeTask(folder, {
    list,
    model: model.name,
    seeds,
    methods: comparison.methods.map(({ name }) => name),
    jobs: jobs.map(({ key, arm }) => ({ key, arm })),
  });
}

export function writeTask(folder: OutFolder, task: RememberedTask): void {
  folder.write(`${TASKS}/${keyOf({ task }).slice(0, 16)}.json`, `${JSON.stringify(task)}\n`);
}

/** The tasks of a folder. @throws UsageError when it is no folder of results */
export function rememberedTasks(folder: string): RememberedTask[] {
  const names = orNone(() => readdirSync(join(folder, TASKS)), []).filter((name) => name.endsWith('.json'));
  if (names.length === 0) {
    throw new UsageError(`${folder} is no folder that reno bench has written to`);
  }
  return names.sort().map((name) => readJson(nodeFileSystem, join(folder, TASKS, name)) as RememberedTask);
}

export const command: Command = {
  meta: { name: 'status', description: 'What is done, failed and left in a folder of results' },
  args: jsonFlag,
  positionals: { name: 'folder', description: 'The folder given as --out' },
  run: async (args, [folder]) => {
    if (folder === undefined) {
      throw new UsageError('name the folder of results: reno bench status FOLDER');
    }
    const tasks = rememberedTasks(folder);
    const store = new FolderStore(folder);
    const rows: (Omit<RememberedTask, 'jobs'> & Ledger)[] = [];
    for (const { jobs, ...about } of tasks) {
      const ledger = await ledgerOf(jobs, store);
      rows.push({ ...about, ...ledger });
      console.log(
        `${about.list}, model ${about.model}, seeds ${about.seeds.join(', ')}, ${about.methods.join(', ')}: ${ledgerLine(ledger)}`,
      );
      for (const { prompt, arm, listSeed, reason } of ledger.failed) {
        console.log(`  failed: ${prompt} (${arm}, seed ${listSeed}): ${reason}`);
      }
    }
    const sum = (of: (ledger: Ledger) => number): number => rows.reduce((total, row) => total + of(row), 0);
    const [left, failed] = [sum((row) => row.left), sum((row) => row.failed.length)];
    return finish(
      args,
      left === 0 && failed === 0,
      `${sum((row) => row.done)} jobs done, ${failed} failed, ${left} left`,
      rows,
    );
  },
};
