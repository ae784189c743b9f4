/** Names, hashes and JSON of the run store's own files. */
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createFile, type FileSystem, removeFile } from './file_system.ts';

/** The folder of the store's own files, inside the output folder. */
export const STORE = '.reno';
export const JOURNAL = 'journal.json';
export const STAGE = 'stage-';
export const TEMPORARY = '.tmp';

/** A name that nothing else has: 96 random bits. */
export function randomName(): string {
  return randomBytes(12).toString('hex');
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The key of a run: equal for equal prompt, seed, settings and model. Object keys may be in any order. */
export function keyOf(parts: Readonly<Record<string, unknown>>): string {
  return sha256(JSON.stringify(sorted(parts)));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(sorted);
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, v]) => v !== undefined);
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => [k, sorted(v)]));
  }
  return value;
}

/** Writes JSON under a temporary name and renames it: the file is whole, or it is the former one. */
export function replaceJson(fs: FileSystem, folder: string, name: string, value: unknown): void {
  const temporary = join(folder, `${randomName()}${TEMPORARY}`);
  createFile(fs, temporary, new TextEncoder().encode(`${JSON.stringify(value, null, 1)}\n`));
  try {
    fs.rename(temporary, join(folder, name));
  } catch (error) {
    removeFile(fs, temporary);
    throw error;
  }
  fs.syncFolder(folder);
}

/** Reads JSON that the store wrote; null where there is none, or it is broken. */
export function readJson(fs: FileSystem, path: string): unknown {
  const bytes = fs.read(path);
  try {
    return bytes === null ? null : (JSON.parse(new TextDecoder().decode(bytes)) as unknown);
  } catch {
    return null;
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
