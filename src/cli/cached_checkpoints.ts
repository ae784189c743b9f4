/** Finds the manifest's checkpoints in the cache of this machine. */
import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { shardNames } from '../models/checkpoint/open_checkpoint.ts';
import { snapshotFolder } from './hub_cache.ts';
import { type ManifestEntry, type ManifestFile, readManifest } from './manifest.ts';
import { UsageError } from './usage_error.ts';

export interface CachedCheckpoint {
  readonly entry: ManifestEntry;
  readonly folder: string | null;
  /** `name` is the file's first name that the cache has, and `path` its place; where the cache has none: the first name, and null. */
  readonly files: readonly { readonly file: ManifestFile; readonly name: string; readonly path: string | null }[];
}

/** Looks up every file of a checkpoint in the cache, and the shards that an index names. */
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

/** Whether a file is an index of shards, which are needed with it. */
export function isIndex(path: string): boolean {
  return path.endsWith('.index.json');
}

/** The paths of the shards that an index lists. @param index its path in the repository. @throws Error where the text is no index */
export function shardPaths(index: string, text: string): string[] {
  return shardNames(index, text).map((name) => posix.join(posix.dirname(index), name));
}

/** The shards of an index; none where the index is broken, which `verify` and the reader report. */
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

/** The named checkpoints, or all of them without names. @throws UsageError for a name that does not exist */
export function chosenCheckpoints(names: readonly string[]): CachedCheckpoint[] {
  const manifest = readManifest().checkpoints;
  for (const name of names) {
    if (!manifest.some((entry) => entry.name === name)) {
      throw new UsageError(`there is no checkpoint "${name}"; there are ${manifest.map((e) => e.name).join(', ')}`);
    }
  }
  return manifest.filter((entry) => names.length === 0 || names.includes(entry.name)).map(findCheckpoint);
}
