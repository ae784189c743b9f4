/**
 * The output folder of runs. One process at a time writes there; the files of a run appear as one; the state of an unfinished
 * run is kept, so that it goes on later. The store's own files lie in `.reno`.
 */
import { join } from 'node:path';
import { reasonOf, systemCode } from '../../platform/node/errors.ts';
import { sentenceOf } from '../../platform/sentence_of.ts';
import type { RunState } from '../../reno/loop/run_state.ts';
import { FileLock, here, type LockRefusals, type LockSite } from '../file_lock.ts';
import { ensureFolder, type FileSystem, nodeFileSystem, removeFile } from './file_system.ts';
import { STAGE, STORE, TEMPORARY } from './names.ts';
import { isIntact, type Publication, publish, readManifest, recover, removeStage } from './publish.ts';
import { blobsOf, dropState, isBlob, loadState, type SavedRun, savedRuns, saveState } from './saved_state.ts';

export class RunStore implements Disposable {
  readonly path: string;
  readonly #fs: FileSystem;
  readonly #lock: FileLock;

  private constructor(fs: FileSystem, path: string, lock: FileLock) {
    this.#fs = fs;
    this.path = path;
    this.#lock = lock;
  }

  /**
   * Takes the lock of a folder that exists, completes a publication that was interrupted, and removes temporary files of runs
   * that ended suddenly.
   * @throws Error, one sentence: another run writes there, or the folder cannot be written
   */
  static open(path: string, fs: FileSystem = nodeFileSystem, site: LockSite = here): RunStore {
    const lock = locked(path, fs, site);
    const store = new RunStore(fs, path, lock);
    try {
      recover(fs, path);
      store.#clean();
      return store;
    } catch (error) {
      store[Symbol.dispose]();
      throw new Error(`cannot complete what an earlier run began to write to ${path}: ${reasonOf(error)}`);
    }
  }

  /** Whether the slot holds the complete files of this run, unchanged. */
  has(slot: string, key: string): boolean {
    const manifest = readManifest(this.#fs, this.path, slot);
    return manifest?.key === key && manifest.complete && isIntact(this.#fs, this.path, manifest);
  }

  /** The paths of what was published in a slot. */
  filesOf(slot: string): string[] {
    return readManifest(this.#fs, this.path, slot)?.files.map(({ path }) => path) ?? [];
  }

  /** The slots in which something was published. */
  slots(): string[] {
    const names = this.#fs.list(join(this.path, STORE));
    return names.map((name) => /^manifest-(.*)\.json$/.exec(name)?.[1]).filter((slot) => slot !== undefined);
  }

  /**
   * Makes files appear in the folder as one, in the place of what the slot had.
   * @throws Error, one sentence; then the folder has the former files, or gets the new ones when the next run begins
   */
  publish(publication: Omit<Publication, 'former'>, former: readonly string[] = []): void {
    try {
      publish(this.#fs, this.path, { ...publication, former });
    } catch (error) {
      throw Object.assign(new Error(`cannot write the files of the run to ${this.path}: ${reasonOf(error)}`), {
        cause: error,
      });
    }
  }

  /** @throws Error, one sentence */
  saveState(key: string, state: RunState): void {
    try {
      saveState(this.#fs, this.path, key, state);
    } catch (error) {
      throw new Error(`the state of the run could not be saved in ${this.path}: ${reasonOf(error)}`);
    }
  }

  /** The state of a run that was not finished. A damaged one is said and forgotten: the run then starts anew. */
  async loadState(key: string, say: (sentence: string) => void): Promise<RunState | null> {
    try {
      return await loadState(this.#fs, this.path, key);
    } catch (error) {
      say(`${sentenceOf(error)}; the run starts anew`);
      this.dropState(key);
      return null;
    }
  }

  dropState(key: string): void {
    dropState(this.#fs, this.path, key);
  }

  /** The runs that were not finished, by what their states say. */
  unfinished(): SavedRun[] {
    return savedRuns(this.#fs, this.path);
  }

  /** Removes what no run needs: files that were staged and not committed, temporary files, parts of former states. */
  #clean(): void {
    const store = join(this.path, STORE);
    const needed = new Set(savedRuns(this.#fs, this.path).flatMap(blobsOf));
    for (const name of this.#fs.list(store)) {
      if (name.startsWith(STAGE)) {
        removeStage(this.#fs, store, name);
      } else if (name.endsWith(TEMPORARY) || (isBlob(name) && !needed.has(name))) {
        removeFile(this.#fs, join(store, name));
      }
    }
  }

  /** Gives the lock back; a store without anything in it is removed. */
  [Symbol.dispose](): void {
    this.#lock[Symbol.dispose]();
    try {
      this.#fs.removeFolder(join(this.path, STORE));
    } catch {
      // It holds manifests or states.
    }
  }
}

/** @throws Error, one sentence */
function locked(path: string, fs: FileSystem, site: LockSite): FileLock {
  const lock = join(path, STORE, 'lock');
  const refusals: LockRefusals = {
    held: ({ pid, host, since }, isHere) => {
      const elsewhere = isHere ? '' : `; if that run is over, remove ${lock}`;
      return `another run writes to ${path}: process ${pid} on ${host}, since ${since}; wait for it, or give another folder with --out${elsewhere}`;
    },
    busy: `${path}: its lock changes all the time, because other runs start there; give another folder with --out`,
  };
  try {
    ensureFolder(fs, join(path, STORE));
    return FileLock.take(fs, lock, refusals, site);
  } catch (error) {
    if (systemCode(error) === undefined) {
      throw error;
    }
    throw new Error(`cannot write to the folder ${path}: ${reasonOf(error)}; give another one with --out`);
  }
}
