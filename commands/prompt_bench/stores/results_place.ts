/** The place of a benchmark's results: a folder, which several machines may share, or a prefix in a bucket of an S3-compatible store. */
import { join } from 'node:path';
import { OutFolder } from '../../../src/cli/generate/out_folder.ts';
import { nodeFileSystem } from '../../../src/cli/run_store/file_system.ts';
import { randomName } from '../../../src/cli/run_store/names.ts';
import { FolderStore, type JobStore } from './job_store.ts';
import { openBucket } from './s3_bucket.ts';
import { BucketStore, type ObjectStore } from './s3_store.ts';

/** A place that is read. */
export interface ResultsReader {
  /** The path or the address, for messages. */
  readonly name: string;
  readonly store: JobStore;
  /** Returns a file's bytes; null where there is none. */
  read(path: string): Promise<Uint8Array | null>;
  /** Returns the names of the files in a folder, in order. */
  list(folder: string): Promise<string[]>;
}

/** A place that is written too. */
export interface ResultsPlace extends ResultsReader {
  /** Writes a file whole: a reader sees all of it or the former one. @throws Error, one sentence */
  write(path: string, content: Uint8Array | string): Promise<void>;
  /** Removes a folder that this command made, if nothing is in it. */
  discardIfEmpty(): void;
}

export const outFlag = {
  out: {
    type: 'string',
    alias: 'o',
    description: 'Folder for results, or s3://BUCKET/PREFIX; jobs that are done there are not run again',
    default: 'reno-out/bench',
    valueHint: 'folder',
  },
} as const;

/**
 * Opens a place to write results to, and checks that it can be written before any work is done.
 * @param out a folder's path, or `s3://BUCKET/PREFIX` @throws Error, one sentence
 */
export async function openPlace(out: string): Promise<ResultsPlace> {
  if (!out.startsWith('s3://')) {
    return new FolderPlace(new OutFolder(out));
  }
  const bucket = await openBucket(out);
  const probe = `.${randomName()}.tmp`;
  await bucket.put(probe, new Uint8Array(1));
  await bucket.remove(probe);
  return new BucketPlace(bucket);
}

/** Opens a place to read results from. @throws Error, one sentence */
export async function openToRead(place: string): Promise<ResultsReader> {
  return place.startsWith('s3://') ? new BucketPlace(await openBucket(place)) : new FolderReader(place);
}

class FolderReader implements ResultsReader {
  readonly name: string;
  #store: FolderStore | null = null;

  constructor(path: string) {
    this.name = path;
  }

  get store(): JobStore {
    this.#store ??= new FolderStore(this.name);
    return this.#store;
  }

  async read(path: string): Promise<Uint8Array | null> {
    return nodeFileSystem.read(join(this.name, path));
  }

  async list(folder: string): Promise<string[]> {
    return nodeFileSystem.list(join(this.name, folder)).sort();
  }
}

class FolderPlace extends FolderReader implements ResultsPlace {
  readonly #folder: OutFolder;

  constructor(folder: OutFolder) {
    super(folder.path);
    this.#folder = folder;
  }

  async write(path: string, content: Uint8Array | string): Promise<void> {
    this.#folder.write(path, content);
  }

  discardIfEmpty(): void {
    this.#folder.discardIfEmpty();
  }
}

class BucketPlace implements ResultsPlace {
  readonly #bucket: ObjectStore;
  readonly store: JobStore;

  constructor(bucket: ObjectStore) {
    this.#bucket = bucket;
    this.store = new BucketStore(bucket);
  }

  get name(): string {
    return this.#bucket.name;
  }

  async write(path: string, content: Uint8Array | string): Promise<void> {
    await this.#bucket.put(path, typeof content === 'string' ? new TextEncoder().encode(content) : content);
  }

  read(path: string): Promise<Uint8Array | null> {
    return this.#bucket.get(path);
  }

  async list(folder: string): Promise<string[]> {
    const names = await this.#bucket.list(`${folder}/`);
    return names.filter((name) => !name.includes('/')).sort();
  }

  discardIfEmpty(): void {
    // A bucket has no folders.
  }
}
