/**
 * Publishes the files of a run as one: after a crash at any call, the folder holds files of one run only, and the next run
 * completes what was begun. The order of the calls:
 *
 * 1. All files are written to a folder of their own (`.reno/stage-…`) and synced. Until here a crash leaves the former run.
 * 2. The journal, which lists them with their SHA-256, is renamed into place and synced. From here on the new run holds.
 * 3. The files of the former run are removed, and the folders synced.
 * 4. The new files are renamed into place, and the folders synced. So no moment shows files of both.
 * 5. The journal becomes the manifest, by one rename.
 */
import { dirname, join } from 'node:path';
import { systemCode } from '../../platform/node/errors.ts';
import { createFile, ensureFolder, type FileSystem, orNone, removeFile } from './file_system.ts';
import { isRecord, JOURNAL, randomName, readJson, replaceJson, STAGE, STORE, sha256 } from './names.ts';

interface PublishedFile {
  /** Relative to the output folder, with `/`. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** The record of a run that was published. */
export interface Manifest {
  readonly format: 1;
  /** The place of this run among those of the folder: `run`, or an item of a list. A new run takes the place of the former. */
  readonly slot: string;
  /** The key of the run: prompt, seed, settings and model. */
  readonly key: string;
  /** Whether the run came to its end. */
  readonly complete: boolean;
  /** The folder that the files were staged in, in the store's folder. */
  readonly stage: string;
  readonly files: readonly PublishedFile[];
  /** Files of the former run of the slot. */
  readonly replaces: readonly string[];
}

export interface Publication {
  readonly slot: string;
  readonly key: string;
  readonly complete: boolean;
  /** Content by path, in the order in which they appear. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Files of a former run that no manifest lists. */
  readonly former: readonly string[];
}

const manifestName = (slot: string): string => `manifest-${slot}.json`;

/** Reads the manifest of a slot; null where nothing was published there. */
export function readManifest(fs: FileSystem, folder: string, slot: string): Manifest | null {
  const value = readJson(fs, join(folder, STORE, manifestName(slot)));
  return isManifest(value) ? value : null;
}

function isManifest(value: unknown): value is Manifest {
  return (
    isRecord(value) &&
    value.format === 1 &&
    typeof value.slot === 'string' &&
    /^[\w-]+$/.test(value.slot) &&
    typeof value.stage === 'string' &&
    /^stage-[0-9a-f]+$/.test(value.stage) &&
    Array.isArray(value.files) &&
    value.files.every((file: unknown) => isRecord(file) && isInside(file.path)) &&
    Array.isArray(value.replaces) &&
    value.replaces.every(isInside)
  );
}

/** Whether this is a path within the output folder: a folder may come from anywhere, and files outside are none of its business. */
function isInside(path: unknown): boolean {
  return (
    typeof path === 'string' && path !== '' && path.split('/').every((part) => !['', '.', '..', STORE].includes(part))
  );
}

/** Whether all files of a manifest are there, with the bytes that were published. */
export function isIntact(fs: FileSystem, folder: string, { files }: Manifest): boolean {
  return files.every(({ path, sha256: expected }) => {
    const bytes = fs.read(join(folder, path));
    return bytes !== null && sha256(bytes) === expected;
  });
}

/**
 * Publishes files. When this returns, they are on the disk under their names.
 * @throws the system error: before the commit the former run is untouched; after it, `recover` completes the new one
 */
export function publish(fs: FileSystem, folder: string, { files, former, ...about }: Publication): void {
  const store = join(folder, STORE);
  const stage = `${STAGE}${randomName()}`;
  const before = readManifest(fs, folder, about.slot)?.files.map(({ path }) => path) ?? [];
  const entries = [...files];
  const manifest: Manifest = {
    format: 1,
    ...about,
    stage,
    files: entries.map(([path, bytes]) => ({ path, bytes: bytes.length, sha256: sha256(bytes) })),
    replaces: [...new Set([...before, ...former])],
  };
  try {
    fs.makeFolder(join(store, stage));
    entries.forEach(([, bytes], i) => {
      createFile(fs, join(store, stage, String(i)), bytes);
    });
    fs.syncFolder(join(store, stage));
    fs.syncFolder(store);
    replaceJson(fs, store, JOURNAL, manifest);
  } catch (error) {
    if (fs.read(join(store, JOURNAL)) === null) {
      removeStage(fs, store, stage);
    }
    throw error;
  }
  complete(fs, folder, manifest);
}

/** Completes a publication that was committed and interrupted. @returns whether there was one */
export function recover(fs: FileSystem, folder: string): boolean {
  const journal = readJson(fs, join(folder, STORE, JOURNAL));
  if (!isManifest(journal)) {
    removeFile(fs, join(folder, STORE, JOURNAL));
    return false;
  }
  complete(fs, folder, journal);
  return true;
}

function complete(fs: FileSystem, folder: string, manifest: Manifest): void {
  const store = join(folder, STORE);
  const { stage, files, slot } = manifest;
  const staged = new Set(fs.list(join(store, stage)));
  const waiting = files.map(({ path }, i) => ({ path, from: String(i) })).filter(({ from }) => staged.has(from));
  const placed = new Set(files.filter((_, i) => !staged.has(String(i))).map(({ path }) => path));
  const removed = manifest.replaces.filter((path) => !placed.has(path));
  for (const path of removed) {
    ignoring(['ENOENT', 'ENOTDIR'], () => fs.unlink(join(folder, path)));
  }
  syncFolders(fs, folder, removed);
  for (const { path, from } of waiting) {
    makeParents(fs, folder, path);
    fs.rename(join(store, stage, from), join(folder, path));
  }
  syncFolders(
    fs,
    folder,
    files.map(({ path }) => path),
  );
  for (const path of removed.filter((p) => p.includes('/'))) {
    ignoring(['ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR'], () => fs.removeFolder(join(folder, dirname(path))));
  }
  fs.rename(join(store, JOURNAL), join(store, manifestName(slot)));
  fs.syncFolder(store);
  removeStage(fs, store, stage);
}

/** Removes what was staged and not committed. */
export function removeStage(fs: FileSystem, store: string, stage: string): void {
  for (const name of fs.list(join(store, stage))) {
    removeFile(fs, join(store, stage, name));
  }
  try {
    fs.removeFolder(join(store, stage));
  } catch {
    // The next run tries again.
  }
}

function makeParents(fs: FileSystem, folder: string, path: string): void {
  let made = folder;
  for (const part of path.split('/').slice(0, -1)) {
    const parent = made;
    made = join(made, part);
    ensureFolder(fs, made);
    fs.syncFolder(parent);
  }
}

function syncFolders(fs: FileSystem, folder: string, paths: readonly string[]): void {
  for (const parent of new Set(paths.map((path) => dirname(join(folder, path))))) {
    orNone(() => fs.syncFolder(parent), undefined);
  }
}

function ignoring(codes: readonly string[], work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!codes.includes(systemCode(error) ?? '')) {
      throw error;
    }
  }
}
