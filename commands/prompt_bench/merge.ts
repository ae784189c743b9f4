/** `reno bench merge A B … --out C`: the results of shards that had folders of their own, in one folder; says what is missing. */
import type { Command } from '../../src/cli/flags/args.ts';
import { textFlag } from '../../src/cli/flags/args.ts';
import { finish, jsonFlag } from '../../src/cli/flags/shared.ts';
import { UsageError } from '../../src/cli/usage_error.ts';
import { concurrently } from '../common/concurrently.ts';
import { type JobResult, shorterFile } from './jobs/job_result.ts';
import { ledgerLine, ledgerOf } from './jobs/ledger.ts';
import { rememberedTasks, writeTask } from './status.ts';
import type { JobStore } from './stores/job_store.ts';
import { openPlace, openToRead, outFlag } from './stores/results_place.ts';

const FILES = ['result.json', 'record.json', 'init.png', 'best.png'];

export const command: Command = {
  meta: { name: 'merge', description: 'Bring the folders of several shards together, and say what is missing' },
  args: {
    ...outFlag,
    ...jsonFlag,
  },
  positionals: { name: 'folders', description: 'Folders of results, or addresses such as s3://BUCKET/PREFIX' },
  run: async (args, folders) => {
    if (folders.length === 0) {
      throw new UsageError('name the folders of the shards: reno bench merge A B --out C');
    }
    const places = await Promise.all(folders.map((folder) => openToRead(folder)));
    const tasks = (await Promise.all(places.map((place) => rememberedTasks(place)))).flat();
    const out = await openPlace(textFlag(args, 'out') ?? outFlag.out.default);
    const { store } = out;
    for (const { store: from } of places) {
      const there = await store.done();
      const keys = [...(await from.done())].filter((key) => !there.has(key));
      await concurrently(keys, (key) => copyJob(from, store, key));
      for (const failure of await from.failures()) {
        if (!(await store.has(failure.key))) {
          await store.fail(failure);
        }
      }
    }
    const done = await store.done();
    for (const { key } of await store.failures()) {
      if (done.has(key)) {
        await store.succeed(key);
      }
    }
    const jobs = new Map(tasks.flatMap((task) => task.jobs.map((job) => [job.key, job] as const)));
    for (const task of tasks) {
      await writeTask(out, task);
    }
    const ledger = await ledgerOf([...jobs.values()], store);
    const isComplete = ledger.left === 0 && ledger.failed.length === 0;
    const next = isComplete
      ? 'the same reno bench command with this --out writes the report'
      : 'run the shards that are missing again';
    return finish(args, isComplete, `${ledgerLine(ledger)} in ${out.name}; ${next}`, [ledger]);
  },
};

async function copyJob(from: JobStore, to: JobStore, key: string): Promise<void> {
  const files = new Map<string, Uint8Array>();
  const names = [...FILES];
  for (const name of names) {
    const bytes = await from.read(key, name);
    if (!bytes) {
      return;
    }
    files.set(name, bytes);
    if (name === 'result.json') {
      const { shorter = [] } = JSON.parse(new TextDecoder().decode(bytes)) as JobResult;
      names.push(...shorter.map(({ length }) => shorterFile(length)));
    }
  }
  await to.put(key, files);
}
