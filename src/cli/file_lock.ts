/** A lock between processes: a file that names the process which holds it. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { systemCode } from '../platform/node/errors.ts';
import { createFile, type FileSystem, removeFile } from './run_store/file_system.ts';
import { isRecord, randomName, readJson, TEMPORARY } from './run_store/names.ts';

export interface LockHolder {
  readonly pid: number;
  readonly host: string;
  /** When the lock was taken, ISO 8601. */
  readonly since: string;
  /** When the process began, as the system counts it: a later process may have the same number. */
  readonly began: string | null;
  readonly token: string;
}

/** This machine as a lock sees it; tests give another one. */
export interface LockSite {
  readonly host: string;
  readonly pid: number;
  /** When a process began, null where that cannot be told; undefined where there is no such process. */
  began(pid: number): string | null | undefined;
}

export const here: LockSite = { host: hostname(), pid: process.pid, began: processBegan };

/** Sentences for those who do not get the lock. */
export interface LockRefusals {
  /** Another process, of this machine or of another one, holds it. */
  held(holder: LockHolder, isHere: boolean): string;
  /** Other processes took it again and again. */
  readonly busy: string;
}

export class FileLock implements Disposable {
  readonly #fs: FileSystem;
  readonly #path: string;
  readonly #token: string;

  private constructor(fs: FileSystem, path: string, token: string) {
    this.#fs = fs;
    this.#path = path;
    this.#token = token;
  }

  /**
   * Takes the lock at `path`, in a folder that exists; one of a process that is no more is taken over. Temporary files lie beside it.
   * @throws Error, one sentence of `refusals`; or a Node system error
   */
  static take(fs: FileSystem, path: string, refusals: LockRefusals, site: LockSite = here): FileLock {
    const began = site.began(site.pid) ?? null;
    const mine: LockHolder = {
      pid: site.pid,
      host: site.host,
      since: new Date().toISOString(),
      began,
      token: randomName(),
    };
    for (let tries = 0; tries < 10; tries++) {
      if (claim(fs, path, mine)) {
        return new FileLock(fs, path, mine.token);
      }
      const holder = holderOf(fs, path);
      if (holder && !isGone(holder, site)) {
        throw new Error(refusals.held(holder, holder.host === site.host));
      }
      takeAway(fs, path, holder);
    }
    throw new Error(refusals.busy);
  }

  /** Gives the lock back. */
  [Symbol.dispose](): void {
    if (holderOf(this.#fs, this.#path)?.token === this.#token) {
      removeFile(this.#fs, this.#path);
    }
  }
}

/** Makes the lock file, whole, if there is none. */
function claim(fs: FileSystem, path: string, mine: LockHolder): boolean {
  const bytes = new TextEncoder().encode(`${JSON.stringify(mine)}\n`);
  const temporary = join(dirname(path), `${randomName()}${TEMPORARY}`);
  createFile(fs, temporary, bytes);
  try {
    fs.link(temporary, path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') {
      return false;
    }
    return claimWithoutLinks(fs, path, bytes);
  } finally {
    removeFile(fs, temporary);
  }
}

/** For file systems without hard links, such as FAT. */
function claimWithoutLinks(fs: FileSystem, path: string, bytes: Uint8Array): boolean {
  try {
    createFile(fs, path, bytes);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') {
      return false;
    }
    throw error;
  }
}

/** Removes the lock of a process that is gone. Of several processes that try, one succeeds, and no new lock is lost. */
function takeAway(fs: FileSystem, path: string, stale: LockHolder | null): void {
  const aside = join(dirname(path), `${randomName()}${TEMPORARY}`);
  try {
    fs.rename(path, aside);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      return; // Another process took it away.
    }
    throw error;
  }
  const taken = holderOf(fs, aside);
  if (taken?.token !== stale?.token) {
    try {
      fs.link(aside, path); // It was the lock of a process that came first: it gets it back.
    } catch {
      // Without links, or a third one has it.
    }
  }
  removeFile(fs, aside);
}

function holderOf(fs: FileSystem, path: string): LockHolder | null {
  const value = readJson(fs, path);
  if (!isRecord(value) || typeof value.pid !== 'number' || typeof value.host !== 'string') {
    return null;
  }
  const { pid, host, since, began, token } = value;
  return { pid, host, since: String(since), began: typeof began === 'string' ? began : null, token: String(token) };
}

/** Whether the process is surely over. Of another machine's nobody can say. */
function isGone(holder: LockHolder, site: LockSite): boolean {
  if (holder.host !== site.host) {
    return false;
  }
  const began = site.began(holder.pid);
  return began === undefined || (began !== null && holder.began !== null && began !== holder.began);
}

function processBegan(pid: number): string | null | undefined {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (systemCode(error) === 'ESRCH') {
      return undefined;
    }
  }
  try {
    // Field 22, after the name in brackets, which may hold spaces: clock ticks from the start of the system.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}
