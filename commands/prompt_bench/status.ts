/** `reno bench status FOLDER`: what is done, failed and left, from any machine that sees the results. */
import type { Command } from '../../src/cli/flags/args.ts';
import { finish, jsonFlag } from '../../src/cli/flags/shared.ts';
import { keyOf } from '../../src/cli/run_store/names.ts';
import { UsageError } from '../../src/cli/usage_error.ts';
import type { BenchTask } from './bench_task.ts';
import { type Ledger, type LedgerJob, ledgerLine, ledgerOf } from './jobs/ledger.ts';
import { openToRead, type ResultsPlace, type ResultsReader } from './stores/results_place.ts';

const TASKS = 'tasks';

/** A task as it is remembered beside its results. */
export interface RememberedTask {
  readonly list: string;
  readonly model: string;
  readonly seeds: readonly number[];
  readonly methods: readonly string[];
  readonly jobs: readonly LedgerJob[];
}

/** Writes down the jobs of a task, so that `status` and `merge` know what is still to come. */
export function rememberTask(place: ResultsPlace, { list, model, seeds, comparison, jobs }: BenchTask): Promise<void> {
  return writeTask(place, {
    list,
    model: model.name,
    seeds,
    methods: comparison.methods.map(({ name }) => name),
    jobs: jobs.map(({ key, arm }) => ({ key, arm })),
  });
}

export async function writeTask(place: ResultsPlace, task: RememberedTask): Promise<void> {
  await place.write(`${TASKS}/${keyOf({ task }).slice(0, 16)}.json`, `${JSON.stringify(task)}\n`);
}

/** The tasks of a place. @throws UsageError when reno bench has not written to it */
export async function rememberedTasks(place: ResultsReader): Promise<RememberedTask[]> {
  const names = (await place.list(TASKS)).filter((name) => name.endsWith('.json'));
  if (names.length === 0) {
    throw new UsageError(`${place.name} is no folder that reno bench has written to`);
  }
  const texts = await Promise.all(names.map((name) => place.read(`${TASKS}/${name}`)));
  return texts.flatMap((bytes) => (bytes ? (JSON.parse(new TextDecoder().decode(bytes)) as RememberedTask) : []));
}

export const command: Command = {
  meta: { name: 'status', description: 'What is done, failed and left in a folder of results' },
  args: jsonFlag,
  positionals: { name: 'folder', description: 'The folder or address given as --out' },
  run: async (args, [folder]) => {
    if (folder === undefined) {
      throw new UsageError('name the folder of results: reno bench status FOLDER');
    }
    const place = await openToRead(folder);
    const tasks = await rememberedTasks(place);
    const rows: (Omit<RememberedTask, 'jobs'> & Ledger)[] = [];
    for (const { jobs, ...about } of tasks) {
      const ledger = await ledgerOf(jobs, place.store);
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
