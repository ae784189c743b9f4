/** The values that an unpickled state dict can consist of. They are data; none can run code. */

import type { Shape } from '../../../tensor/types.ts';
import type { StoredDType } from '../stored_dtype.ts';

/** Lists and sets are arrays, all dictionaries are maps, integers beyond 2^53 are bigints, strings of Python 2 are strings. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | PickleTuple
  | PickleMap
  | PickleStorage
  | PickleTensor
  | PickleCallable;

export interface PickleMap extends Map<PickleValue, PickleValue> {}

export class PickleTuple {
  readonly items: readonly PickleValue[];

  constructor(items: readonly PickleValue[]) {
    this.items = items;
  }
}

/** Consecutive numbers in the file, which several tensors may view. */
export class PickleStorage {
  /** Its name in the file. */
  readonly key: string;
  readonly dtype: StoredDType;
  /** Number of elements of the whole storage. */
  readonly count: number;
  /** Element where a view of the storage begins (files before PyTorch 0.4). */
  readonly start: number;

  constructor(key: string, dtype: StoredDType, count: number, start: number) {
    this.key = key;
    this.dtype = dtype;
    this.count = count;
    this.start = start;
  }
}

export class PickleTensor {
  readonly storage: PickleStorage;
  /** Element of the storage where the tensor begins. */
  readonly offset: number;
  readonly shape: Shape;
  /** In elements. 0 repeats a dimension. */
  readonly strides: readonly number[];

  constructor(storage: PickleStorage, offset: number, shape: Shape, strides: readonly number[]) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/** One of the few Python globals that a state dict may name. `call` builds one of the values here from others. */
export interface PickleCallable {
  readonly global: string;
  /** The dtype, where the global is a storage's type. */
  readonly dtype?: StoredDType;
  readonly call: (args: readonly PickleValue[]) => PickleValue;
}

export function isMap(value: PickleValue | undefined): value is PickleMap {
  return value instanceof Map;
}

export function isCallable(value: PickleValue | undefined): value is PickleCallable {
  return typeof value === 'object' && value !== null && 'global' in value;
}

/** An unpickled checkpoint file, whichever of the two layouts of torch.save it has. */
export interface PickledCheckpoint {
  readonly root: PickleValue;
  /** Returns the byte of the file where a storage begins. @throws Error with what is wrong, as the end of a sentence about the file */
  readonly locate: (storage: PickleStorage) => Promise<number>;
}

/** Largest pickle that is read into memory, in bytes; a large model's tensors are described in a few hundred kilobytes. */
export const MAX_PICKLE_BYTES = 64 * 2 ** 20;
