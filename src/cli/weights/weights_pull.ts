/** `reno weights pull`: shows files and licences, asks for permission, and downloads. */
import { createInterface } from 'node:readline/promises';
import { type Args, type Command, isSet } from '../flags/args.ts';
import { finish, jsonFlag } from '../flags/shared.ts';
import { stderrTerminal } from '../generate/progress.ts';
import { assertUsableCache } from '../hub/cache_folder.ts';
import { HubClient } from '../hub/client.ts';
import type { DownloadOptions } from '../hub/download.ts';
import { type HubEnvironment, hubEnvironment } from '../hub/environment.ts';
import { bytesLeft, checkSpace, freeBytes, type PullPlan, planPull, runPull } from '../hub/pull.ts';
import { size, TransferLine } from '../hub/transfer_line.ts';
import { UsageError } from '../usage_error.ts';
import { type CachedCheckpoint, chosenCheckpoints, isWhole } from './cached_checkpoints.ts';
import { verifySize } from './verify_file.ts';

export const pullCommand: Command = {
  meta: { name: 'pull', description: 'Download checkpoints into the Hugging Face cache' },
  positionals: { name: 'name', description: 'One or more checkpoints (see "reno weights list")' },
  args: {
    yes: { type: 'boolean', alias: ['y'], description: 'Do not ask before the download: you accept the licences' },
    ...jsonFlag,
  },
  run: async (args, names) => {
    const interrupt = new AbortController();
    const stop = (): void => interrupt.abort(new Error(STOPPED));
    process.once('SIGINT', stop);
    try {
      return await pull(args, names, { signal: interrupt.signal });
    } finally {
      process.off('SIGINT', stop);
    }
  },
};

const STOPPED = 'stopped; what came is kept, and the same command goes on from there';

/** Settings that tests change. */
export interface PullSettings extends Omit<DownloadOptions, 'onBytes'> {
  readonly free?: (folder: string) => Promise<number>;
}

/** Downloads the named checkpoints. @returns the exit code. @throws Error, one sentence */
export async function pull(args: Args, names: readonly string[], settings: PullSettings): Promise<number> {
  if (names.length === 0) {
    throw new UsageError('say which checkpoints to pull; "reno weights list" shows their names');
  }
  const chosen = chosenCheckpoints(names);
  const rows = chosen.map(({ entry }) => ({ name: entry.name, repo: entry.repo, bytes: 0 }));
  const absent = await incomplete(chosen);
  if (absent.length === 0) {
    return finish(args, true, `${names.join(', ')}: all files are here already`, rows);
  }
  const env = hubEnvironment();
  assertUsableCache(env.cache);
  const client = new HubClient(env, settings.signal, settings.stall);
  const plans = await planned(client, absent, env);
  const left = plans.reduce((sum, plan) => sum + bytesLeft(plan), 0);
  await checkSpace(env.cache, left, settings.free ?? freeBytes);
  if (!isSet(args, 'yes') && !(await agreed(left, env, settings.signal))) {
    return finish(args, false, 'nothing was downloaded', rows);
  }
  const total = plans.flatMap(({ files }) => files).reduce((sum, { bytes }) => sum + bytes, 0);
  const line = new TransferLine(stderrTerminal(), total - left, total);
  try {
    for (const plan of plans) {
      const before = bytesLeft(plan);
      await runPull(client, plan, {
        ...settings,
        onBytes: (count) => line.add(count),
        onFile: ({ path }) => line.begin(`${plan.entry.name}/${path}`),
      });
      Object.assign(rows.find(({ name }) => name === plan.entry.name) ?? {}, { bytes: before });
    }
  } finally {
    line.close();
  }
  return finish(args, true, `${size(left)} downloaded to ${env.cache}; every file has the hash the hub gives`, rows);
}

interface Incomplete {
  readonly checkpoint: CachedCheckpoint;
  /** Names of the files that are here and broken. */
  readonly broken: ReadonlySet<string>;
}

/** Returns the checkpoints with a file that is missing, or whose size or header is wrong. Such a file is said. */
async function incomplete(chosen: readonly CachedCheckpoint[]): Promise<Incomplete[]> {
  const found: Incomplete[] = [];
  for (const checkpoint of chosen) {
    const broken = new Set<string>();
    for (const { name, path, described = null } of checkpoint.files) {
      const verdict = path === null ? null : await verifySize(path, described);
      if (verdict && !verdict.ok) {
        console.log(`${checkpoint.entry.name}/${name}: ${verdict.says}`);
        broken.add(name);
      }
    }
    if (broken.size > 0 || !isWhole(checkpoint)) {
      found.push({ checkpoint, broken });
    }
  }
  return found;
}

/** Asks the hub about each checkpoint and prints the answer. */
async function planned(client: HubClient, absent: readonly Incomplete[], env: HubEnvironment): Promise<PullPlan[]> {
  const plans: PullPlan[] = [];
  for (const { checkpoint, broken } of absent) {
    const { entry } = checkpoint;
    const plan = await planPull(client, entry, env.cache, broken);
    const { licence, gated } = plan.remote;
    const page = `${env.endpoint}/${entry.repo}`;
    console.log(`${entry.name.padEnd(15)} ${entry.role}: ${plan.files.length} files, ${size(bytesLeft(plan))} to come`);
    console.log(`${' '.repeat(15)} ${page}; licence: ${licence ?? entry.licence ?? 'see there'}`);
    if (gated && env.token === null) {
      console.log(
        `${' '.repeat(15)} gated: accept the terms on that page, then set HF_TOKEN to a token of that account`,
      );
    }
    plans.push(plan);
  }
  return plans;
}

/** Asks for permission to download. @throws UsageError where there is no terminal to ask on */
async function agreed(bytes: number, env: HubEnvironment, signal: AbortSignal): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new UsageError(
      'there is no terminal to ask on; --yes downloads without asking, and accepts the licences above',
    );
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // While the question is open, the interface receives Ctrl-C, not the process.
    const closed = new AbortController();
    terminal.once('SIGINT', () => closed.abort());
    const question = `Download ${size(bytes)} to ${env.cache} under these licences? [y/N] `;
    const answer = await terminal.question(question, { signal: AbortSignal.any([signal, closed.signal]) });
    return /^y(es)?$/i.test(answer.trim());
  } catch {
    return false;
  } finally {
    terminal.close();
  }
}
