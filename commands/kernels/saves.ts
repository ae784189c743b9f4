/** Waits for a file to be saved. */
import { watch } from 'node:fs';
import { basename, dirname } from 'node:path';

/** Editors write a file in several steps: wait until they are through. */
const SETTLE_MS = 150;

/** Yields at once and after each save of `file`, until SIGINT. Editors replace files, so the folder is watched. */
export async function* saves(file: string): AsyncGenerator<void> {
  const name = basename(file);
  let wake = (): void => {};
  let pending = true;
  let ended = false;
  let timer: NodeJS.Timeout | undefined;
  const watcher = watch(dirname(file) || '.', (_, changed) => {
    if (changed === name) {
      clearTimeout(timer);
      timer = setTimeout(() => {
        pending = true;
        wake();
      }, SETTLE_MS);
    }
  });
  const end = (): void => {
    ended = true;
    wake();
  };
  process.once('SIGINT', end);
  try {
    while (!ended) {
      if (pending) {
        pending = false;
        yield;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    clearTimeout(timer);
    watcher.close();
    process.off('SIGINT', end);
  }
}
