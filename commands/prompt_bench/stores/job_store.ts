/**
 * The results of jobs, in a folder that several processes and machines may share. A result appears as one, under the key of its
 * job: a key that is there is done. Who writes a key second finds it there and leaves it.
 */
import { join } from 'node:path';
import { createFile, ensureFolder, nodeFileSystem, removeFile } from '../../../src/cli/run_store/file_system.ts';
import { randomName, readJson, replaceJson } from '../../../src/cli/run_store/names.ts';
import { reasonOf, systemCode } from '../../../src/cli/usage_error.ts';

/** A job that gave no result. */
export interface Failure {
  readonly key: string;
  readonly prompt: string;
  readonly arm: string;
  readonly index: number;
  readonly listSeed: number;
  readonly reason: string;
}

/** Returns the record of a job that gave no result. */
export function failureOf({ key, prompt, arm, index, listSeed }: Omit<Failure, 'reason'>, reason: string): Failure {
  return { key, prompt, arm, index, listSeed, reason };
}

/** The files of a result, by name. */
export type ResultFiles = ReadonlyMap<string, Uint8Array>;

export interface JobStore {
  /** Returns the keys whose results are there. */
  done(): Promise<Set<string>>;
  has(key: string): Promise<boolean>;
  /** Makes a result appear, unless it is there already. @throws Error, one sentence */
  put(key: string, files: ResultFiles): Promise<void>;
  /** Returns a file of a result; null where there is none. */
  read(key: string, name: string): Promise<Uint8Array | null>;
  /** Returns where a file of a result lies inside the place of the results; null where there is no result. */
  pathOf(key: string, name: string): Promise<string | null>;
  /** Records why a job gave no result. @throws Error, one sentence */
  fail(failure: Failure): Promise<void>;
  /** Forgets the failure of a job that is done now. */
  succeed(key: string): Promise<void>;
  failures(): Promise<Failure[]>;
}

const JOBS = 'jobs';
const FAILURES = 'failures';
const STAGE = '.stage-';

export class FolderStore implements JobStore {
  readonly #path: string;

  /** @param path a folder that exists */
  constructor(path: string) {
    this.#path = path;
    this.#guarded(() => {
      ensureFolder(nodeFileSystem, join(path, JOBS));
      ensureFolder(nodeFileSystem, join(path, FAILURES));
    });
  }

  async done(): Promise<Set<string>> {
    const keys = nodeFileSystem
      .list(join(this.#path, JOBS))
      .filter((name) => /^[0-9a-f]{2}$/.test(name))
      .flatMap((name) => nodeFileSystem.list(join(this.#path, JOBS, name)));
    return new Set(keys.filter((key) => /^[0-9a-f]{64}$/.test(key)));
  }

  async has(key: string): Promise<boolean> {
    return nodeFileSystem.list(this.#folder(key)).length > 0;
  }

  async put(key: string, files: ResultFiles): Promise<void> {
    this.#guarded(() => {
      const jobs = join(this.#path, JOBS);
      const stage = join(jobs, `${STAGE}${randomName()}`);
      nodeFileSystem.makeFolder(stage);
      for (const [name, bytes] of files) {
        createFile(nodeFileSystem, join(stage, name), bytes);
      }
      nodeFileSystem.syncFolder(stage);
      const shelf = join(jobs, key.slice(0, 2));
      ensureFolder(nodeFileSystem, shelf);
      try {
        nodeFileSystem.rename(stage, join(shelf, key));
        nodeFileSystem.syncFolder(shelf);
      } catch (error) {
        removeStage(stage);
        // Another process was first. The names of the reasons differ from one file system to another.
        if (
          !['EEXIST', 'ENOTEMPTY', 'EPERM'].includes(systemCode(error) ?? '') ||
          nodeFileSystem.list(join(shelf, key)).length === 0
        ) {
          throw error;
        }
      }
    });
  }

  async read(key: string, name: string): Promise<Uint8Array | null> {
    return nodeFileSystem.read(join(this.#folder(key), name));
  }

  async pathOf(key: string, name: string): Promise<string | null> {
    return (await this.has(key)) ? [JOBS, key.slice(0, 2), key, name].join('/') : null;
  }

  async fail(failure: Failure): Promise<void> {
    this.#guarded(() => replaceJson(nodeFileSystem, join(this.#path, FAILURES), `${failure.key}.json`, failure));
  }

  async succeed(key: string): Promise<void> {
    removeFile(nodeFileSystem, join(this.#path, FAILURES, `${key}.json`));
  }

  async failures(): Promise<Failure[]> {
    const folder = join(this.#path, FAILURES);
    const names = nodeFileSystem.list(folder).filter((name) => /^[0-9a-f]{64}\.json$/.test(name));
    return names.sort().flatMap((name) => (readJson(nodeFileSystem, join(folder, name)) as Failure | null) ?? []);
  }

  #folder(key: string): string {
    return join(this.#path, JOBS, key.slice(0, 2), key);
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      throw new Error(`cannot write results to ${this.#path}: ${reasonOf(error)}`);
    }
  }
}

function removeStage(stage: string): void {
  for (const name of nodeFileSystem.list(stage)) {
    removeFile(nodeFileSystem, join(stage, name));
  }
  try {
    nodeFileSystem.removeFolder(stage);
  } catch {
    // It is not in the way: its name is random.
  }
}
