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
  | PickleOddTensor
  | PickleOther
  | PickleCallable;

export interface PickleMap extends Map<PickleValue, PickleValue> {}

export class PickleTuple {
  readonly items: readonly PickleValue[];

  constructor(items: readonly PickleValue[]) {
    this.items = items;
  }
}

/** The type of a storage's elements. `dtype` is null where nothing here reads them. */
export interface ElementType {
  readonly dtype: StoredDType | null;
  /** Size of one element, in bytes. */
  readonly itemBytes: number;
}

/** Consecutive numbers in the file, which several tensors may view. */
export class PickleStorage {
  /** Its name in the file. */
  readonly key: string;
  /** Null for numbers that nothing here reads, such as complex ones. */
  readonly dtype: StoredDType | null;
  /** Size of one element, in bytes. */
  readonly itemBytes: number;
  /** Number of elements of the whole storage. */
  readonly count: number;
  /** Element where a view of the storage begins (files before PyTorch 0.4). */
  readonly start: number;

  constructor(key: string, { dtype, itemBytes }: ElementType, count: number, start: number) {
    this.key = key;
    this.dtype = dtype;
    this.itemBytes = itemBytes;
    this.count = count;
    this.start = start;
  }
}

export class PickleTensor {
  readonly storage: PickleStorage;
  readonly dtype: StoredDType;
  /** Element of the storage where the tensor begins. */
  readonly offset: number;
  readonly shape: Shape;
  /** In elements. 0 repeats a dimension. */
  readonly strides: readonly number[];

  constructor(storage: PickleStorage, dtype: StoredDType, offset: number, shape: Shape, strides: readonly number[]) {
    this.storage = storage;
    this.dtype = dtype;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/** A tensor that PyTorch reads and nothing here can, such as a sparse one. It is an error only where a model needs it. */
export class PickleOddTensor {
  readonly shape: Shape;
  /** The reason, as the end of a sentence about the file. */
  readonly reason: string;

  constructor(shape: Shape, reason: string) {
    this.shape = shape;
    this.reason = reason;
  }
}

/** A value that says nothing about tensors, such as a device or a complex number. */
export class PickleOther {}

/** One of the few Python globals that a state dict may name. `call` builds one of the values here from others. */
export interface PickleCallable {
  readonly global: string;
  /** The elements' type, where the global is a storage's type or a dtype. */
  readonly elements?: ElementType;
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
