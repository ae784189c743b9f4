/** `reno weights`: lists the public checkpoints, finds them on this disk, and checks whether they are complete. */
import { statSync } from 'node:fs';
import { REWARDS } from '../../reno/rewards/index.ts';
import { type Args, type Command, textFlag } from '../flags/args.ts';
import { finish, jsonFlag } from '../flags/shared.ts';
import { chosenCheckpoints } from './cached_checkpoints.ts';
import { hubCacheFolder } from './hub_cache.ts';
import { readManifest } from './manifest.ts';
import { checkpointsOf } from './published_models.ts';
import { verifyFile } from './verify_file.ts';
import { pullCommand } from './weights_pull.ts';

const named = {
  name: { type: 'string', description: 'Only this checkpoint (see "reno weights list")', valueHint: 'name' },
  ...jsonFlag,
} as const;

export const weightsCommand: Command = {
  meta: { name: 'weights', description: 'Find, download and check public checkpoints in the Hugging Face cache' },
  subCommands: {
    list: {
      meta: { name: 'list', description: 'List the checkpoints, their size and licence, and which are here' },
      args: jsonFlag,
      run: list,
    },
    pull: pullCommand,
    where: {
      meta: { name: 'where', description: 'Say where the files lie' },
      args: named,
      run: where,
    },
    verify: {
      meta: { name: 'verify', description: 'Check size, header and hash of the files that are here' },
      args: named,
      run: verify,
    },
  },
};

async function list(args: Args): Promise<number> {
  const rows = chosenCheckpoints([]).map(({ entry, files }) => {
    const here = files.filter(({ path }) => path !== null).length;
    const gigabytes = entry.files.reduce((n, f) => n + (f.bytes === null ? (f.gigabytes ?? 0) : f.bytes / 1e9), 0);
    const page = `https://huggingface.co/${entry.repo}`;
    return { ...entry, here, needed: files.length, gigabytes: Number(gigabytes.toFixed(2)), page };
  });
  for (const row of rows) {
    const state = row.here === row.needed ? 'here' : row.here === 0 ? 'not here' : `${row.here} of ${row.needed} files`;
    const size = row.gigabytes === 0 ? '' : `about ${row.gigabytes} GB`;
    console.log(`${row.name.padEnd(14)} ${state.padEnd(14)} ${size.padEnd(15)} ${row.role}`);
    const gated = row.gated ? '; gated: accept its terms there, and set HF_TOKEN' : '';
    console.log(`${' '.repeat(14)} ${row.page}; licence: ${row.licence ?? 'see there'}${gated}`);
  }
  const manifest = readManifest();
  const rewards = REWARDS.filter(({ defaultWeight }) => defaultWeight > 0).map(({ name }) => name);
  for (const model of manifest.models) {
    const parts = checkpointsOf(model, manifest, rewards).map(({ name }) => name);
    console.log(`model ${model.name} with the paper's rewards: reno weights pull ${parts.join(' ')}`);
  }
  const summary = `${rows.filter((r) => r.here === r.needed).length} of ${rows.length} checkpoints are in ${hubCacheFolder()}`;
  return finish(args, true, summary, rows);
}

async function where(args: Args): Promise<number> {
  const found = chosenCheckpoints([textFlag(args, 'name') ?? []].flat());
  const rows = found.flatMap(({ entry, files }) =>
    files.map(({ name, path }) => ({ name: entry.name, file: name, path })),
  );
  for (const { entry, folder, files } of found) {
    console.log(`${entry.name}  ${folder ?? `not in ${hubCacheFolder()}; reno weights pull ${entry.name}`}`);
    for (const { name, path } of folder === null ? [] : files) {
      console.log(`  ${path ?? `${name} is not here; reno weights pull ${entry.name}`}`);
    }
  }
  const missing = rows.filter(({ path }) => path === null).length;
  return finish(
    args,
    missing === 0,
    missing === 0 ? 'all files are here' : `${missing} of ${rows.length} files are not here`,
    rows,
  );
}

async function verify(args: Args): Promise<number> {
  const rows: { name: string; file: string; ok: boolean; says: string }[] = [];
  // With a name, a missing file is an error; without, only the files that are here are checked.
  const named = textFlag(args, 'name') !== undefined;
  for (const { entry, files } of chosenCheckpoints([textFlag(args, 'name') ?? []].flat())) {
    for (const { described = null, name, path } of files) {
      if (path === null && !named) {
        continue;
      }
      const verdict = path === null ? { ok: false, says: 'is not here' } : await verifyFile(path, described);
      rows.push({ name: entry.name, file: name, ...verdict });
      const size = path === null ? '' : `, ${statSync(path).size} bytes`;
      console.log(`${verdict.ok ? 'ok' : '--'} ${entry.name}/${name}${size}: ${verdict.says}`);
    }
  }
  const wrong = rows.filter(({ ok }) => !ok).length;
  const summary =
    rows.length === 0
      ? `there is none of the checkpoints in ${hubCacheFolder()}`
      : wrong === 0
        ? `${rows.length} files are whole`
        : `${wrong} of ${rows.length} files are missing or broken`;
  return finish(args, wrong === 0, summary, rows);
}
