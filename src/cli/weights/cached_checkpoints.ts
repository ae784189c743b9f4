/** Finds the manifest's checkpoints in the cache of this machine. */
import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { shardNames } from '../../models/checkpoint/open_checkpoint.ts';
import { UsageError } from '../usage_error.ts';
import { snapshotFolder } from './hub_cache.ts';
import { describedFile, type ManifestEntry, type ManifestFile, readManifest } from './manifest.ts';

export interface CachedCheckpoint {
  readonly entry: ManifestEntry;
  readonly folder: string | null;
  readonly files: readonly CachedFile[];
}

export interface CachedFile {
  /** The first name that the cache has; where it has none: the first name of the manifest. */
  readonly name: string;
  /** Null: the cache has none. */
  readonly path: string | null;
  /** The entry of the manifest for the file of this name; undefined for a shard that it does not describe. */
  readonly described: ManifestFile | undefined;
}

/** Looks up every file of a checkpoint in the cache, and the shards that an index names. */
export function findCheckpoint(entry: ManifestEntry): CachedCheckpoint {
  const folder = snapshotFolder(entry);
  const here = (path: string): string | null => (folder !== null && existsSync(join(folder, path)) ? path : null);
  const files = entry.files.flatMap((file) => {
    const name = [file, ...file.or].map(({ path }) => path).find(here);
    const shards = name !== undefined && isIndex(name) ? cachedShards(join(folder ?? '', name), name) : [];
    return [
      { name: name ?? file.path, path: name === undefined ? null : join(folder ?? '', name) },
      ...shards.map((shard) => ({ name: shard, path: here(shard) && join(folder ?? '', shard) })),
    ];
  });
  return { entry, folder, files: files.map((file) => ({ ...file, described: describedFile(entry, file.name) })) };
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

/** Returns whether every file is there. `pull` and `verify` look at the sizes too. */
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
