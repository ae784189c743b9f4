/** `reno weights`: which public checkpoints there are, where they lie on this disk, and whether they are whole. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Args, type Command, isSet, textFlag } from './args.ts';
import { UsageError } from './errors.ts';
import { hubCacheFolder, snapshotFolder } from './hub_cache.ts';
import { type ManifestEntry, type ManifestFile, readManifest } from './manifest.ts';
import { printJson } from './shared.ts';
import { verifyFile } from './verify_file.ts';

const flags = {
  json: { type: 'boolean', description: 'Print one last line of JSON: {"ok","summary","rows"}' },
} as const;
const named = {
  name: { type: 'string', description: 'Only this checkpoint (see "reno weights list")', valueHint: 'name' },
  ...flags,
} as const;

export const weightsCommand: Command = {
  meta: { name: 'weights', description: 'Find and check public checkpoints in the Hugging Face cache' },
  subCommands: {
    list: {
      meta: { name: 'list', description: 'List the checkpoints, their size and licence, and which are here' },
      args: flags,
      run: list,
    },
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

interface Found {
  readonly entry: ManifestEntry;
  readonly folder: string | null;
  /** `name` is the one of the names that is there, `path` where; else the first, and null. */
  readonly files: readonly { readonly file: ManifestFile; readonly name: string; readonly path: string | null }[];
}

/** Looks every file of a checkpoint up in the cache. */
function find(entry: ManifestEntry): Found {
  const folder = snapshotFolder(entry);
  const files = entry.files.map((file) => {
    const name = [file.path, ...file.or].find((path) => folder !== null && existsSync(join(folder, path)));
    return { file, name: name ?? file.path, path: name === undefined ? null : join(folder ?? '', name) };
  });
  return { entry, folder, files };
}

/** @throws UsageError where --name is none of them */
function chosen(args: Args): Found[] {
  const manifest = readManifest();
  const name = textFlag(args, 'name');
  const entries = manifest.filter((entry) => name === undefined || entry.name === name);
  if (entries.length === 0) {
    throw new UsageError(`there is no checkpoint "${name}"; there are ${manifest.map((e) => e.name).join(', ')}`);
  }
  return entries.map(find);
}

async function list(args: Args): Promise<number> {
  const rows = chosen({}).map(({ entry, files }) => {
    const here = files.filter(({ path }) => path !== null).length;
    const gigabytes = entry.files.reduce((n, f) => n + (f.bytes === null ? (f.gigabytes ?? 0) : f.bytes / 1e9), 0);
    const page = `https://huggingface.co/${entry.repo}`;
    return { ...entry, here, needed: files.length, gigabytes: Number(gigabytes.toFixed(2)), page };
  });
  for (const row of rows) {
    const state = row.here === row.needed ? 'here' : row.here === 0 ? 'not here' : `${row.here} of ${row.needed} files`;
    const size = row.gigabytes === 0 ? '' : `about ${row.gigabytes} GB`;
    console.log(`${row.name.padEnd(13)} ${state.padEnd(14)} ${size.padEnd(15)} ${row.role}`);
    console.log(`${' '.repeat(13)} ${row.page}; licence: ${row.licence ?? 'see there'}`);
  }
  const summary = `${rows.filter((r) => r.here === r.needed).length} of ${rows.length} checkpoints are in ${hubCacheFolder()}`;
  return finish(args, true, summary, rows);
}

async function where(args: Args): Promise<number> {
  const found = chosen(args);
  const rows = found.flatMap(({ entry, files }) =>
    files.map(({ name, path }) => ({ name: entry.name, file: name, path })),
  );
  for (const { entry, folder, files } of found) {
    console.log(`${entry.name}  ${folder ?? `not in ${hubCacheFolder()}; hf download ${entry.repo}`}`);
    for (const { name, path } of folder === null ? [] : files) {
      console.log(`  ${path ?? `${name} is not here; hf download ${entry.repo} ${name}`}`);
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
  // With a name, what is missing is an error; without, only what is here is looked at.
  const named = textFlag(args, 'name') !== undefined;
  for (const { entry, files } of chosen(args)) {
    for (const { file, name, path } of files) {
      if (path === null && !named) {
        continue;
      }
      // A published size is that of the file itself, not of one that serves as well.
      const verdict =
        path === null
          ? { ok: false, says: 'is not here' }
          : await verifyFile(path, name === file.path ? file.bytes : null);
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

function finish(args: Args, ok: boolean, summary: string, rows: readonly unknown[]): number {
  console.log(summary);
  if (isSet(args, 'json')) {
    printJson({ ok, summary, rows });
  }
  return ok ? 0 : 1;
}
