/** Checks of the cache's folder before anything is asked or downloaded. */
import { accessSync, constants, statSync } from 'node:fs';
import { sentenceOf, systemCode } from '../usage_error.ts';
import { existingParent } from './environment.ts';

const ADVICE = 'set HF_HOME to a folder that you may write to, or HF_HUB_CACHE to one for the downloads alone';

/** @throws Error where a file stands in the way of the cache, or its nearest folder may not be written */
export function assertUsableCache(cache: string): void {
  const parent = existingParent(cache);
  if (!statSync(parent).isDirectory()) {
    throw new Error(`the cache cannot be ${cache}, for ${parent} is a file; ${ADVICE}`);
  }
  try {
    accessSync(parent, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw cacheError(error, parent);
  }
}

/** Returns the sentence for a file or folder of the cache that cannot be made or written. */
export function cacheError(error: unknown, path: string): Error {
  switch (systemCode(error)) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new Error(`${path} may not be written (${systemCode(error)}); ${ADVICE}`);
    case 'ENOTDIR':
    case 'EEXIST':
      return new Error(
        `${path} cannot be made, for a file stands in its way (${systemCode(error)}); remove it, or ${ADVICE}`,
      );
    default:
      return new Error(`${path} cannot be written (${sentenceOf(error)})`);
  }
}
