/** Downloads one file of the hub into the cache: resumes after a cut, checks the hash, and only then gives the file its name. */
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FileLock } from '../file_lock.ts';
import { nodeFileSystem } from '../run_store/file_system.ts';
import { systemCode } from '../usage_error.ts';
import { hashOf } from '../weights/verify_file.ts';
import { cacheError } from './cache_folder.ts';
import { causeOf, type HubClient, PassingError, pageInstead, type RemoteFile, type RemoteRepo } from './client.ts';

/** A file that is written from front to back; Node's FileHandle is one. */
interface PartFile {
  writeFile(bytes: Uint8Array): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface DownloadOptions {
  readonly signal: AbortSignal;
  /** Called with the size of every piece that is written; negative where a server starts the file again. */
  readonly onBytes: (count: number) => void;
  /** Number of tries in a row without a byte after which the download gives up. Default 5. */
  readonly tries?: number;
  /** Milliseconds before the second try; each further pause is twice as long. Default 1000. */
  readonly pause?: number;
  /** Milliseconds without a byte after which the connection counts as cut. Default 60 000. */
  readonly stall?: number;
  /** Opens a file to append to it (`a`) or to write it anew (`w`); tests simulate full disks with it. */
  readonly openPart?: (path: string, flags: 'a' | 'w') => Promise<PartFile>;
}

/** The name of a file that is not complete yet. `huggingface_hub` uses the same name. */
export function incompletePath(blob: string): string {
  return `${blob}.incomplete`;
}

/**
 * Downloads `file` to `blob`. An incomplete file never has that name: it stays under `incompletePath`, and the next call
 * continues it. A file with a wrong hash is removed.
 * @throws HubRefusal; Error, one sentence; or the signal's reason
 */
export async function download(
  client: HubClient,
  from: RemoteRepo,
  file: RemoteFile,
  blob: string,
  options: DownloadOptions,
): Promise<void> {
  const name = `${from.repo}/${file.path}`;
  const part = incompletePath(blob);
  try {
    await mkdir(dirname(blob), { recursive: true });
  } catch (error) {
    throw cacheError(error, dirname(blob));
  }
  using _ = lockPart(part, name);
  if ((await sizeOf(blob)) === file.bytes && file.bytes > 0) {
    return; // Another process has just finished it.
  }
  let have = await sizeOf(part);
  for (let failed = 0; have < file.bytes; ) {
    const before = have;
    try {
      await fetchRest(client, from, file, part, have, options);
      have = await sizeOf(part);
    } catch (error) {
      options.signal.throwIfAborted();
      if (!(error instanceof PassingError)) {
        throw error;
      }
      have = await sizeOf(part);
      failed = have > before ? 1 : failed + 1;
      if (failed >= (options.tries ?? 5)) {
        const kept = have > 0 ? `; ${have} of ${file.bytes} bytes are kept, the same command goes on from there` : '';
        const what = error.message.startsWith(name) ? error.message : `${name}: ${error.message}`;
        throw new Error(`${what}${kept}`);
      }
      await wait((options.pause ?? 1000) * 2 ** (failed - 1), options.signal);
    }
  }
  if (file.bytes === 0) {
    await (await open(part, 'w')).close();
  }
  const hash = have === file.bytes ? await hashOf(part, file.bytes, file.algorithm, options.signal) : null;
  if (hash !== file.hash) {
    await rm(part);
    const why = hash === null ? `came with more than its ${file.bytes} bytes` : 'came with a wrong hash';
    throw new Error(`${name} ${why} and was removed; run the same command again`);
  }
  await rename(part, blob);
}

/** Two processes never write to one incomplete file. @throws Error, one sentence, that says which process downloads it */
function lockPart(part: string, name: string): FileLock {
  const path = `${part}.lock`;
  const wait = `wait for it, or remove ${path} if there is no such download`;
  try {
    return FileLock.take(nodeFileSystem, path, {
      held: ({ pid, host }, isHere) =>
        `${name} is being downloaded by process ${pid}${isHere ? '' : ` of ${host}`}; ${wait}`,
      busy: `${name} is being downloaded by several processes; ${wait}`,
    });
  } catch (error) {
    throw systemCode(error) === undefined ? error : writeError(error, part);
  }
}

/** Appends the missing bytes to `part`. @throws PassingError when the connection ends early */
async function fetchRest(
  client: HubClient,
  { repo, commit }: RemoteRepo,
  file: RemoteFile,
  part: string,
  have: number,
  options: DownloadOptions,
): Promise<void> {
  using watch = new StallWatch(options.stall ?? 60_000);
  const response = await watch.over(client.open(repo, commit, file.path, have, watch.signal));
  if (/^text\/html\b/i.test(response.headers.get('content-type') ?? '')) {
    await response.body?.cancel();
    throw new Error(`${repo}/${file.path}: ${pageInstead(response.url)}`);
  }
  const start = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1];
  // A server without ranges sends the whole file.
  const from = response.status === 206 && Number(start) === have ? have : 0;
  options.onBytes(from - have);
  const reader = response.body?.getReader();
  let total = from;
  try {
    const target = await (options.openPart ?? open)(part, from > 0 ? 'a' : 'w');
    try {
      for (let next = await watch.over(reader?.read()); next?.value; next = await watch.over(reader?.read())) {
        await target.writeFile(next.value);
        total += next.value.byteLength;
        options.onBytes(next.value.byteLength);
        if (total > file.bytes) {
          return;
        }
      }
      await target.sync();
    } finally {
      await target.close();
    }
  } catch (error) {
    throw systemCode(error) === undefined ? error : writeError(error, part);
  } finally {
    await reader?.cancel().catch(() => {});
  }
  if (total < file.bytes) {
    throw new PassingError('the connection was cut');
  }
}

/** Aborts a request that brings no bytes for too long. */
class StallWatch implements Disposable {
  readonly #milliseconds: number;
  readonly #controller = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Waits for the next piece. @throws PassingError where it does not arrive in time */
  async over<T>(piece: T | Promise<T>): Promise<T> {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#controller.abort(), this.#milliseconds);
    try {
      return await piece;
    } catch (error) {
      if (this.signal.aborted) {
        throw new PassingError(`nothing came for ${this.#milliseconds / 1000} s`);
      }
      throw error instanceof TypeError ? new PassingError(`the connection was cut (${causeOf(error)})`) : error;
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

function writeError(error: unknown, part: string): Error {
  const folder = dirname(part);
  return systemCode(error) === 'ENOSPC'
    ? new Error(
        `the disk of ${folder} is full; make room or set HF_HOME to a folder on another disk, and run the same command again: what came is kept`,
      )
    : cacheError(error, part);
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0;
}

function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
