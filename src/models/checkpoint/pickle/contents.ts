/** What both layouts of a checkpoint come down to. */
import type { PickleStorage, PickleValue } from './values.ts';

export interface Contents {
  readonly root: PickleValue;
  /** Where a storage's bytes begin in the file. @throws Error with what is wrong, as the end of a sentence about the file */
  readonly locate: (storage: PickleStorage) => Promise<number>;
}

/** A large model's tensors are described in a few hundred kilobytes; more than this is not read into memory. */
export const MAX_PICKLE = 64 * 2 ** 20;
