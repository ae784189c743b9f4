/** `reno bench merge A B … --out C`: the results of shards that had folders of their own, in one folder; says what is missing. */
import type { Command } from '../../src/cli/args.ts';
import { textFlag } from '../../src/cli/args.ts';
import { OutFolder } from '../../src/cli/out_folder.ts';
import { finish, jsonFlag } from '../../src/cli/shared.ts';
import { UsageError } from '../../src/cli/usage_error.ts';
import { FolderStore } from './job_store.ts';
import { ledgerLine, ledgerOf } from './ledger.ts';
import { rememberedTasks, writeTask } from './status.ts';

const FILES = ['result.json', 'record.json', 'init.png', 'best.png'];

export const command: Command = {
  meta: { name: 'merge', description: 'Bring the folders of several shards together, and say what is missing' },
  args: {
    out: {
      type: 'string',
      alias: ['o'],
      description: 'Folder to write to',
      default: 'reno-out/bench',
      valueHint: 'folder',
    },
    ...jsonFlag,
  },
  positionals: { name: 'folders', description: 'Folders of results' },
  run: async (args, folders) => {
    if (folders.length === 0) {
      throw new UsageError('name the folders of the shards: reno bench merge A B --out C');
    }
    const tasks = folders.flatMap((folder) => rememberedTasks(folder));
    const out = new OutFolder(textFlag(args, 'out') ?? 'reno-out/bench');
    const store = new FolderStore(out.path);
    for (const folder of folders) {
      const from = new FolderStore(folder);
      for (const key of await from.done()) {
        await copyJob(from, store, key);
      }
      for (const failure of await from.failures()) {
        if (!(await store.has(failure.key))) {
          await store.fail(failure);
        }
      }
    }
    for (const key of await store.done()) {
      await store.succeed(key);
    }
    const jobs = new Map(tasks.flatMap((task) => task.jobs.map((job) => [job.key, job] as const)));
    for (const task of tasks) {
      writeTask(out, task);
    }
    const ledger = await ledgerOf([...jobs.values()], store);
    const isComplete = ledger.left === 0 && ledger.failed.length === 0;
    const next = isComplete
      ? 'the same reno bench command with this --out writes the report'
      : 'run the shards that are missing again';
    return finish(args, isComplete, `${ledgerLine(ledger)} in ${out.path}; ${next}`, [ledger]);
  },
};

async function copyJob(from: FolderStore, to: FolderStore, key: string): Promise<void> {
  const files = new Map<string, Uint8Array>();
  for (const name of FILES) {
    const bytes = await from.read(key, name);
    if (bytes) {
      files.set(name, bytes);
    }
  }
  if (files.size === FILES.length) {
    await to.put(key, files);
  }
}
