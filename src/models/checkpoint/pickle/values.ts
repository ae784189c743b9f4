/** The values that an unpickled state dict can consist of. They are data; none can run code. */

import type { Shape } from '../../../tensor/types.ts';
import type { ReadMeter } from '../read_budget.ts';
import type { StoredDType } from '../stored_dtype.ts';

/** All dictionaries are maps, integers beyond 2^53 are bigints, strings of Python 2 are strings; sets and fractions are PickleOther. */
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

/** A dictionary's keys: strings, and whole numbers as numbers of optimizers have. */
export type PickleKey = string | number | bigint;

/** A dictionary. Only an OrderedDict may get a state. */
export class PickleMap extends Map<PickleKey, PickleValue> {
  readonly ordered: boolean;

  constructor(ordered = false) {
    super();
    this.ordered = ordered;
  }
}

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
  /** Element where the view ends; `count` where there is none. */
  readonly end: number;

  constructor(key: string, { dtype, itemBytes }: ElementType, count: number, start = 0, end = count) {
    this.key = key;
    this.dtype = dtype;
    this.itemBytes = itemBytes;
    this.count = count;
    this.start = start;
    this.end = end;
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

/** A value that says nothing about tensors, such as a device, a fraction or a set. */
export class PickleOther {
  /** Whether it is a real number. */
  readonly isReal: boolean;

  constructor(isReal = false) {
    this.isReal = isReal;
  }
}

/** One of the few Python globals that a state dict may name. `call` builds one of the values here from others. */
export interface PickleCallable {
  readonly global: string;
  /** The elements' type, where the global is a storage's type or a dtype. */
  readonly elements?: ElementType;
  /** Whether the global is a dtype. */
  readonly isDType?: boolean;
  readonly call: (args: readonly PickleValue[], meter: ReadMeter) => PickleValue;
}

export function isMap(value: PickleValue | undefined): value is PickleMap {
  return value instanceof PickleMap;
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
