/** A lock for the incomplete file of a download: two processes never write to one. */
import { randomBytes } from 'node:crypto';
import { link, open, readFile, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { systemCode } from '../usage_error.ts';

interface Holder {
  readonly pid: number;
  readonly host: string;
}

/**
 * Takes the lock of `part`, a file beside it that is made only where there is none. A lock of a process that is gone is replaced.
 * @param name the file that is downloaded, for the message
 * @returns the function that gives the lock back
 * @throws Error, one sentence, where another process of this machine, or any of another machine, holds it
 */
export async function lockPart(part: string, name: string): Promise<() => Promise<void>> {
  const path = `${part}.lock`;
  const own = JSON.stringify({ pid: process.pid, host: hostname() } satisfies Holder);
  for (;;) {
    if (await made(path, own)) {
      return () => rm(path, { force: true });
    }
    const text = await readFile(path, 'utf8').catch(() => null);
    const holder = text === null ? null : holderOf(text);
    if (holder && isAlive(holder)) {
      const who = holder.host === hostname() ? `process ${holder.pid}` : `process ${holder.pid} of ${holder.host}`;
      throw new Error(
        `${name} is being downloaded by ${who}; wait for it, or remove ${path} if there is no such download`,
      );
    }
    if (text !== null) {
      await removeStale(path, text);
    }
  }
}

/** Makes the lock. @returns false where there is one */
async function made(path: string, content: string): Promise<boolean> {
  try {
    await using file = await open(path, 'wx');
    await file.writeFile(content);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') {
      return false;
    }
    throw error;
  }
}

/** Moves the lock away first: of several processes only one can, and it puts back what was not the stale lock. */
async function removeStale(path: string, stale: string): Promise<void> {
  const aside = `${path}.${randomBytes(8).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch {
    return; // Another process was first.
  }
  if ((await readFile(aside, 'utf8')) !== stale) {
    await link(aside, path).catch(() => {});
  }
  await rm(aside, { force: true });
}

/** Returns null for a text that is no lock: it was cut while it was written, so its process is gone or about to finish. */
function holderOf(text: string): Holder | null {
  try {
    const { pid, host } = Object(JSON.parse(text));
    return Number.isSafeInteger(pid) && pid > 0 && typeof host === 'string' ? { pid, host } : null;
  } catch {
    return null;
  }
}

/** A process of another machine counts as alive: nothing here can tell. */
function isAlive({ pid, host }: Holder): boolean {
  if (host !== hostname()) {
    return true;
  }
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}
