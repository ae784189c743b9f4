/**
 * The results of jobs as objects of an S3-compatible store. Each try of a job writes its files under a name of its own,
 * `jobs/KEY/TRY/…`; then one small object, `done/KEY`, names the try that counts. A store shows an object whole or not at all, so a
 * result appears as one. The object is written on condition that there is none (If-None-Match), so that who comes second leaves the
 * first result. A store that does not know the condition takes the last one: a whole result too, with the same bytes on equal adapters.
 */
import { randomName } from '../../../src/cli/run_store/names.ts';
import { concurrently } from '../../common/concurrently.ts';
import type { Failure, JobStore, ResultFiles } from './job_store.ts';

/** Objects below a prefix of a bucket. */
export interface ObjectStore {
  /** The address, for messages. */
  readonly name: string;
  put(path: string, bytes: Uint8Array): Promise<void>;
  /** Writes an object unless it is there. @returns false where it is */
  create(path: string, bytes: Uint8Array): Promise<boolean>;
  /** Returns an object's bytes; null where there is none. */
  get(path: string): Promise<Uint8Array | null>;
  has(path: string): Promise<boolean>;
  remove(path: string): Promise<void>;
  /** Returns the paths of all objects below a folder, which ends in `/`, without the folder. */
  list(folder: string): Promise<string[]>;
}

const KEY = /^[0-9a-f]{64}$/;

export class BucketStore implements JobStore {
  readonly #objects: ObjectStore;
  /** The try that counts, by key: it never changes. */
  readonly #tries = new Map<string, string>();

  constructor(objects: ObjectStore) {
    this.#objects = objects;
  }

  async done(): Promise<Set<string>> {
    return new Set((await this.#objects.list('done/')).filter((key) => KEY.test(key)));
  }

  has(key: string): Promise<boolean> {
    return this.#objects.has(`done/${key}`);
  }

  async put(key: string, files: ResultFiles): Promise<void> {
    const folder = `jobs/${key}/${randomName()}`;
    const write = ([name, bytes]: readonly [string, Uint8Array]): Promise<void> =>
      this.#objects.put(`${folder}/${name}`, bytes);
    await concurrently([...files], write);
    if (!(await this.#objects.create(`done/${key}`, new TextEncoder().encode(folder)))) {
      await concurrently([...files.keys()], (name) => this.#objects.remove(`${folder}/${name}`));
    }
  }

  async read(key: string, name: string): Promise<Uint8Array | null> {
    const path = await this.pathOf(key, name);
    return path === null ? null : this.#objects.get(path);
  }

  async pathOf(key: string, name: string): Promise<string | null> {
    let folder = this.#tries.get(key);
    if (folder === undefined) {
      const marker = await this.#objects.get(`done/${key}`);
      if (marker === null) {
        return null;
      }
      folder = new TextDecoder().decode(marker);
      this.#tries.set(key, folder);
    }
    return `${folder}/${name}`;
  }

  async fail(failure: Failure): Promise<void> {
    const text = `${JSON.stringify(failure, null, 1)}\n`;
    await this.#objects.put(`failures/${failure.key}.json`, new TextEncoder().encode(text));
  }

  succeed(key: string): Promise<void> {
    return this.#objects.remove(`failures/${key}.json`);
  }

  async failures(): Promise<Failure[]> {
    const names = (await this.#objects.list('failures/')).filter((name) => KEY.test(name.replace(/\.json$/, '')));
    const texts = await concurrently(names.sort(), (name) => this.#objects.get(`failures/${name}`));
    return texts.flatMap((bytes) => (bytes ? (JSON.parse(new TextDecoder().decode(bytes)) as Failure) : []));
  }
}
