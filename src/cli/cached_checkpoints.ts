/** The manifest's checkpoints as they lie in the cache of this machine. */
import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { shardNames } from '../models/checkpoint/open_checkpoint.ts';
import { UsageError } from './errors.ts';
import { snapshotFolder } from './hub_cache.ts';
import { type ManifestEntry, type ManifestFile, readManifest } from './manifest.ts';

export interface CachedCheckpoint {
  readonly entry: ManifestEntry;
  readonly folder: string | null;
  /** `name` is the one of the names that is there, `path` where; else the first, and null. */
  readonly files: readonly { readonly file: ManifestFile; readonly name: string; readonly path: string | null }[];
}

/** Looks every file of a checkpoint up in the cache, the shards that an index names too. */
export function findCheckpoint(entry: ManifestEntry): CachedCheckpoint {
  const folder = snapshotFolder(entry);
  const here = (path: string): string | null => (folder !== null && existsSync(join(folder, path)) ? path : null);
  const files = entry.files.flatMap((file) => {
    const name = [file.path, ...file.or].find(here);
    const shards = name !== undefined && isIndex(name) ? cachedShards(join(folder ?? '', name), name) : [];
    return [
      { file, name: name ?? file.path, path: name === undefined ? null : join(folder ?? '', name) },
      ...shards.map((shard) => ({
        file: plainFile(shard),
        name: shard,
        path: here(shard) && join(folder ?? '', shard),
      })),
    ];
  });
  return { entry, folder, files };
}

/** Whether a file lists shards: what it lists is needed with it. */
export function isIndex(path: string): boolean {
  return path.endsWith('.index.json');
}

/** @param index path in the repository. @returns the shards' paths there. @throws Error where the text is no such list */
export function shardPaths(index: string, text: string): string[] {
  return shardNames(index, text).map((name) => {
    if (!/^[\w.-]+$/.test(name) || /^\.+$/.test(name)) {
      throw new Error(`${index}: names the shard "${name}", which is not beside it; download it again`);
    }
    return posix.join(posix.dirname(index), name);
  });
}

/** None where the index is broken: `verify` and the reading of it say so. */
function cachedShards(path: string, index: string): string[] {
  try {
    return shardPaths(index, readFileSync(path, 'utf8'));
  } catch {
    return [];
  }
}

function plainFile(path: string): ManifestFile {
  return { path, or: [], bytes: null, gigabytes: null, sha256: null };
}

export function isWhole({ files }: CachedCheckpoint): boolean {
  return files.every(({ path }) => path !== null);
}

/** The named ones, or all where none is named. @throws UsageError where a name is none of them */
export function chosenCheckpoints(names: readonly string[]): CachedCheckpoint[] {
  const manifest = readManifest().checkpoints;
  for (const name of names) {
    if (!manifest.some((entry) => entry.name === name)) {
      throw new UsageError(`there is no checkpoint "${name}"; there are ${manifest.map((e) => e.name).join(', ')}`);
    }
  }
  return manifest.filter((entry) => names.length === 0 || names.includes(entry.name)).map(findCheckpoint);
}
