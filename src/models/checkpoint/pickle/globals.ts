/** The Python globals that a state dict may name, and the value that each builds. Any other name is refused. */

import { sizeOf } from '../../../tensor/types.ts';
import { printable } from '../messages.ts';
import type { StoredDType } from '../stored_dtype.ts';
import {
  isCallable,
  isMap,
  type PickleCallable,
  type PickleMap,
  PickleStorage,
  PickleTensor,
  PickleTuple,
  type PickleValue,
} from './values.ts';

const STORAGES: Readonly<Record<string, StoredDType>> = {
  DoubleStorage: 'F64',
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
};

const refuseCall = (global: string) => (): never => {
  throw new Error(`calls ${global}, which is no function`);
};

const ALL: readonly PickleCallable[] = [
  { global: 'collections.OrderedDict', call: (args) => orderedDict(args) },
  { global: 'torch._utils._rebuild_tensor', call: (args) => tensor(args) },
  { global: 'torch._utils._rebuild_tensor_v2', call: (args) => tensor(args) },
  { global: 'torch._utils._rebuild_parameter', call: ([data]) => parameter(data) },
  { global: 'torch.Size', call: ([items]) => new PickleTuple(items instanceof PickleTuple ? items.items : []) },
  ...Object.entries(STORAGES).map(([name, dtype]) => {
    const global = `torch.${name}`;
    return { global, dtype, call: refuseCall(global) };
  }),
];

/** The globals by full name, such as `torch._utils._rebuild_tensor_v2`. */
export const GLOBALS: ReadonlyMap<string, PickleCallable> = new Map(ALL.map((entry) => [entry.global, entry]));

/** Builds OrderedDict() or OrderedDict([[key, value], …]). */
function orderedDict([pairs]: readonly PickleValue[]): PickleMap {
  const map: PickleMap = new Map();
  for (const pair of Array.isArray(pairs) ? pairs : []) {
    const items = pair instanceof PickleTuple ? pair.items : Array.isArray(pair) ? pair : [];
    const [key, value] = items;
    if (key === undefined || value === undefined) {
      throw new Error('builds an OrderedDict of what are no pairs');
    }
    map.set(key, value);
  }
  return map;
}

function tensor([storage, offset, size, stride]: readonly PickleValue[]): PickleTensor {
  const [shape, strides] = [counts(size), counts(stride)];
  const fits =
    storage instanceof PickleStorage &&
    isCount(offset) &&
    shape !== null &&
    strides?.length === shape.length &&
    Number.isSafeInteger(sizeOf(shape));
  if (!fits) {
    throw new Error('builds a tensor of what is no storage, offset, shape and strides');
  }
  const first = storage.start + offset;
  const last = shape.includes(0) ? first - 1 : shape.reduce((n, d, i) => n + (d - 1) * (strides[i] ?? 0), first);
  if (last >= storage.count || sizeOf(shape) > storage.count) {
    throw new Error(
      `has a tensor of shape [${shape.join(', ')}] and strides [${strides.join(', ')}] at element ${first} of a storage of ${storage.count} elements`,
    );
  }
  return new PickleTensor(storage, first, shape, strides);
}

function parameter(data: PickleValue | undefined): PickleTensor {
  if (!(data instanceof PickleTensor)) {
    throw new Error('builds a parameter of what is no tensor');
  }
  return data;
}

/** Reads the persistent id of a storage: ('storage', type, key, device, elements) and, in old files, the range of a view. */
export function storageOf(id: PickleValue | undefined): PickleStorage {
  const [kind, type, key, , count, view] = id instanceof PickleTuple ? id.items : [];
  const dtype = isCallable(type) ? type.dtype : undefined;
  if (kind !== 'storage' || dtype === undefined || typeof key !== 'string' || !isCount(count)) {
    throw new Error('refers to something outside that is no storage');
  }
  const start = view instanceof PickleTuple ? view.items[1] : 0;
  if (!isCount(start)) {
    throw new Error(`has a view of storage ${printable(key)} that begins nowhere`);
  }
  return new PickleStorage(key, dtype, count, start);
}

function isCount(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function counts(value: PickleValue | undefined): number[] | null {
  const items = value instanceof PickleTuple ? value.items : Array.isArray(value) ? value : null;
  return items?.every(isCount) ? [...items] : null;
}

/** Checks the target of BUILD. The state itself (`_metadata` of modules) says nothing about tensors, so it is dropped. */
export function build(target: PickleValue | undefined): void {
  if (!isMap(target)) {
    throw new Error('sets the state of something other than an OrderedDict');
  }
}
