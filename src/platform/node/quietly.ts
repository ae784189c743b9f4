/** Hides what native code writes to stderr: it writes to file descriptor 2, past Node. */
import { closeSync, constants, openSync } from 'node:fs';

/**
 * Runs `work` while file descriptor 2 leads nowhere. On Linux only, not with DEBUG=reno, and not where stderr is a socket, which
 * cannot be opened again. Other code of the process should not open files meanwhile.
 * @param quiet default: only where a person looks on (a terminal); logs keep everything
 */
export async function quietly<T>(work: () => Promise<T>, quiet = process.stderr.isTTY === true): Promise<T> {
  const kept = quiet && process.platform === 'linux' && !process.env.DEBUG?.includes('reno') ? reopened(2) : null;
  if (kept === null) {
    return work();
  }
  replaceStderr(() => openSync('/dev/null', 'w'));
  try {
    return await work();
  } finally {
    replaceStderr(() => reopened(kept) ?? openSync('/dev/null', 'w'));
    closeSync(kept);
  }
}

/** Closes descriptor 2; the next one that is opened takes its place, because it is the lowest that is free. */
function replaceStderr(open: () => number): void {
  closeSync(2);
  open();
}

/** Opens what a descriptor leads to once more. A file is written at its end; a pipe without a reader is not waited for. */
function reopened(descriptor: number): number | null {
  try {
    return openSync(`/proc/self/fd/${descriptor}`, constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK);
  } catch {
    return null;
  }
}
