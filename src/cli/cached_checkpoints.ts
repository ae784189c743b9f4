/** The manifest's checkpoints as they lie in the cache of this machine. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from './errors.ts';
import { snapshotFolder } from './hub_cache.ts';
import { type ManifestEntry, type ManifestFile, readManifest } from './manifest.ts';

export interface CachedCheckpoint {
  readonly entry: ManifestEntry;
  readonly folder: string | null;
  /** `name` is the one of the names that is there, `path` where; else the first, and null. */
  readonly files: readonly { readonly file: ManifestFile; readonly name: string; readonly path: string | null }[];
}

/** Looks every file of a checkpoint up in the cache. */
export function findCheckpoint(entry: ManifestEntry): CachedCheckpoint {
  const folder = snapshotFolder(entry);
  const files = entry.files.map((file) => {
    const name = [file.path, ...file.or].find((path) => folder !== null && existsSync(join(folder, path)));
    return { file, name: name ?? file.path, path: name === undefined ? null : join(folder ?? '', name) };
  });
  return { entry, folder, files };
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
