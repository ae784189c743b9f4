/** The states of unfinished runs in an output folder: one index for each run, which names its files by their hashes. */
import { join } from 'node:path';
import type { Frame } from '../../reno/loop/loop.ts';
import { decodeRunState, encodeRunState, type RunState } from '../../reno/loop/run_state.ts';
import { iterationsOfRun } from '../../reno/search/method.ts';
import { createFile, type FileSystem, removeFile } from './file_system.ts';
import { isRecord, randomName, readJson, replaceJson, STORE, sha256 } from './names.ts';

interface Blob {
  readonly file: string;
  readonly sha256: string;
}

interface FrameBlob extends Blob {
  readonly iteration: number;
}

/** The index of an unfinished run. */
export interface SavedRun {
  readonly format: 1;
  readonly key: string;
  readonly prompt: string;
  readonly seed: number;
  readonly iteration: number;
  readonly iterations: number;
  readonly state: Blob;
  readonly frames: readonly FrameBlob[];
}

const indexName = (key: string): string => `state-${key.slice(0, 32)}.json`;
const isIndex = (name: string): boolean => /^state-[0-9a-f]+\.json$/.test(name);
export const isBlob = (name: string): boolean => /^[0-9a-f]{24}\.bin$/.test(name);

/** All unfinished runs of the folder. */
export function savedRuns(fs: FileSystem, folder: string): SavedRun[] {
  const names = fs.list(join(folder, STORE)).filter(isIndex);
  return names.map((name) => readJson(fs, join(folder, STORE, name))).filter(isSavedRun);
}

function isSavedRun(value: unknown): value is SavedRun {
  return (
    isRecord(value) &&
    value.format === 1 &&
    Array.isArray(value.frames) &&
    [value.state, ...value.frames].every((blob: unknown) => isRecord(blob) && isBlob(String(blob.file)))
  );
}

/** The names of the files that an index needs. */
export function blobsOf({ state, frames }: SavedRun): string[] {
  return [state.file, ...frames.map(({ file }) => file)];
}

/** Saves a state; the former one of the run goes when the new one is safe. Pictures that it has already are not written again. */
export function saveState(fs: FileSystem, folder: string, key: string, state: RunState): void {
  const store = join(folder, STORE);
  const before = savedRuns(fs, folder).find((run) => run.key === key);
  const written: string[] = [];
  const put = (bytes: Uint8Array): Blob => {
    const file = `${randomName()}.bin`;
    createFile(fs, join(store, file), bytes);
    written.push(file);
    return { file, sha256: sha256(bytes) };
  };
  try {
    const frames = state.frames.map(({ iteration, pixels }): FrameBlob => {
      const known = before?.frames.find((frame) => frame.iteration === iteration);
      return known ?? { iteration, ...put(new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength)) };
    });
    const { prompt, seed } = state.config;
    const index: SavedRun = {
      format: 1,
      key,
      prompt,
      seed,
      iteration: state.iteration,
      iterations: iterationsOfRun(state.config),
      state: put(encodeRunState({ ...state, frames: [] })),
      frames,
    };
    fs.syncFolder(store);
    replaceJson(fs, store, indexName(key), index);
    const needed = new Set(blobsOf(index));
    for (const file of before ? blobsOf(before).filter((name) => !needed.has(name)) : []) {
      removeFile(fs, join(store, file));
    }
  } catch (error) {
    if (savedRuns(fs, folder).every((run) => !blobsOf(run).some((file) => written.includes(file)))) {
      for (const file of written) {
        removeFile(fs, join(store, file));
      }
    }
    throw error;
  }
}

/** Reads the state of a run; null where none was saved. @throws Error, one sentence, when its files are damaged */
export async function loadState(fs: FileSystem, folder: string, key: string): Promise<RunState | null> {
  const run = savedRuns(fs, folder).find((saved) => saved.key === key);
  if (!run) {
    return null;
  }
  const get = ({ file, sha256: expected }: Blob): Uint8Array => {
    const bytes = fs.read(join(folder, STORE, file));
    if (bytes === null || sha256(bytes) !== expected) {
      throw new Error(`the saved state of this run is damaged (${join(folder, STORE, file)})`);
    }
    return bytes;
  };
  const frames = run.frames.map(({ iteration, ...blob }): Frame => {
    return { iteration, pixels: new Float32Array(new Uint8Array(get(blob)).buffer) };
  });
  const state = await decodeRunState(join(folder, STORE, run.state.file), get(run.state));
  return { ...state, frames };
}

/** Forgets the state of a run. */
export function dropState(fs: FileSystem, folder: string, key: string): void {
  const run = savedRuns(fs, folder).find((saved) => saved.key === key);
  removeFile(fs, join(folder, STORE, indexName(key)));
  for (const file of run ? blobsOf(run) : []) {
    removeFile(fs, join(folder, STORE, file));
  }
}
