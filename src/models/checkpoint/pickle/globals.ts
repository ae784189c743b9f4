/** The Python globals that a state dict may name, and the value that each builds. Any other name is refused. */

import { sizeOf } from '../../../tensor/types.ts';
import { printable } from '../messages.ts';
import { STORED_BYTES, type StoredDType } from '../stored_dtype.ts';
import {
  type ElementType,
  isCallable,
  isMap,
  type PickleCallable,
  type PickleMap,
  PickleOddTensor,
  PickleOther,
  PickleStorage,
  PickleTensor,
  PickleTuple,
  type PickleValue,
} from './values.ts';

const known = (dtype: StoredDType): ElementType => ({ dtype, itemBytes: STORED_BYTES[dtype] });
const other = (itemBytes: number): ElementType => ({ dtype: null, itemBytes });

/** The storage types, with torch's names. */
const STORAGES: Readonly<Record<string, ElementType>> = {
  'torch.DoubleStorage': known('F64'),
  'torch.FloatStorage': known('F32'),
  'torch.HalfStorage': known('F16'),
  'torch.BFloat16Storage': known('BF16'),
  'torch.LongStorage': known('I64'),
  'torch.IntStorage': known('I32'),
  'torch.ShortStorage': known('I16'),
  'torch.CharStorage': known('I8'),
  'torch.ByteStorage': known('U8'),
  'torch.BoolStorage': known('BOOL'),
  'torch.UntypedStorage': known('U8'),
  'torch.storage.UntypedStorage': known('U8'),
  'torch.ComplexFloatStorage': other(8),
  'torch.ComplexDoubleStorage': other(16),
  'torch.QInt8Storage': other(1),
  'torch.QUInt8Storage': other(1),
  'torch.QInt32Storage': other(4),
  'torch.QUInt4x2Storage': other(1),
  'torch.QUInt2x4Storage': other(1),
};

/** The dtype objects, without `torch.`. */
const DTYPES: Readonly<Record<string, ElementType>> = {
  float64: known('F64'),
  float32: known('F32'),
  float16: known('F16'),
  bfloat16: known('BF16'),
  int64: known('I64'),
  int32: known('I32'),
  int16: known('I16'),
  int8: known('I8'),
  uint64: known('U64'),
  uint32: known('U32'),
  uint16: known('U16'),
  uint8: known('U8'),
  bool: known('BOOL'),
  complex32: other(4),
  complex64: other(8),
  complex128: other(16),
  float8_e4m3fn: other(1),
  float8_e4m3fnuz: other(1),
  float8_e5m2: other(1),
  float8_e5m2fnuz: other(1),
  float8_e8m0fnu: other(1),
  qint8: other(1),
  quint8: other(1),
  qint32: other(4),
  quint4x2: other(1),
  quint2x4: other(1),
};

const refuseCall = (global: string) => (): never => {
  throw new Error(`calls ${global}, which is no function`);
};

const named = (elements: Readonly<Record<string, ElementType>>, prefix: string): PickleCallable[] =>
  Object.entries(elements).map(([name, type]) => {
    const global = prefix + name;
    return { global, elements: type, call: refuseCall(global) };
  });

const WITH_STATE = 'torch._tensor._rebuild_from_type_v2';

const values: Readonly<Record<string, PickleCallable['call']>> = {
  'collections.OrderedDict': ([pairs]) => orderedDict(pairs),
  'collections.Counter': ([counts]) => (isMap(counts) ? counts : new Map()),
  'torch._utils._rebuild_tensor': (args) => tensor(args),
  'torch._utils._rebuild_tensor_v2': (args) => tensor(args, undefined, args[6]),
  'torch._utils._rebuild_tensor_v3': (args) => tensor(args, args[6], args[7]),
  'torch._utils._rebuild_parameter': ([data]) => parameter(data),
  'torch._utils._rebuild_parameter_with_state': ([data]) => parameter(data),
  'torch.nn.parameter.Parameter': ([data]) => parameter(data),
  'torch.Tensor': refuseCall('torch.Tensor'),
  [WITH_STATE]: (args) => withState(args),
  'torch._utils._rebuild_sparse_tensor': () => new PickleOddTensor([], 'has a sparse tensor, which nothing here reads'),
  'torch._utils._rebuild_qtensor': ([, , size]) => odd(size, 'a quantized tensor'),
  'torch._utils._rebuild_meta_tensor_no_storage': ([, size]) => odd(size, 'a tensor without values (device "meta")'),
  'torch._utils._rebuild_nested_tensor': () => new PickleOddTensor([], 'has a nested tensor, which nothing here reads'),
  'torch.Size': ([items]) => new PickleTuple(items instanceof PickleTuple ? items.items : []),
  'torch.device': () => new PickleOther(),
  'torch.serialization._get_layout': () => new PickleOther(),
  // Python 3 writes the names of Python 2 in protocols 0 to 2.
  ...Object.fromEntries(
    ['builtins', '__builtin__'].flatMap((module): [string, PickleCallable['call']][] => [
      [`${module}.set`, ([items]) => (Array.isArray(items) ? items : [])],
      [`${module}.complex`, () => new PickleOther()],
      [`${module}.bytearray`, ([bytes]) => (bytes instanceof Uint8Array ? bytes : new Uint8Array(0))],
    ]),
  ),
  '_codecs.encode': ([text]) => latin1(text),
};

const ALL: readonly PickleCallable[] = [
  ...Object.entries(values).map(([global, call]) => ({ global, call })),
  ...named(STORAGES, ''),
  ...named(DTYPES, 'torch.'),
];

/** The globals by full name, such as `torch._utils._rebuild_tensor_v2`. */
export const GLOBALS: ReadonlyMap<string, PickleCallable> = new Map(ALL.map((entry) => [entry.global, entry]));

/** Builds OrderedDict() or OrderedDict([[key, value], …]). */
function orderedDict(pairs: PickleValue | undefined): PickleMap {
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

/** An expanded tensor is larger than its storage. Up to this size, in bytes, it is written out where it is read. */
const MAX_EXPANDED = 2 ** 28;

/**
 * @param dtype the tensor's own, where the storage is untyped
 * @param metadata flags such as `neg`, which change the values when they are read
 */
function tensor(
  args: readonly PickleValue[],
  dtype?: PickleValue,
  metadata?: PickleValue,
): PickleTensor | PickleOddTensor {
  const [storage, offset, size, stride] = args;
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
  const elements = dtype === undefined ? storage : isCallable(dtype) ? dtype.elements : undefined;
  if (!elements) {
    throw new Error('builds a tensor of what is no dtype');
  }
  const [first, count] = [storage.start + offset, Math.floor((storage.count * storage.itemBytes) / elements.itemBytes)];
  const last = shape.includes(0) ? first - 1 : shape.reduce((n, d, i) => n + (d - 1) * (strides[i] ?? 0), first);
  const where = `has a tensor of shape [${shape.join(', ')}] and strides [${strides.join(', ')}] at element ${first} of a storage of ${count} elements`;
  if (last >= count) {
    throw new Error(where);
  }
  if (elements.dtype === null) {
    return odd(size, 'a complex, quantized or 8-bit float tensor');
  }
  if (isMap(metadata) && metadata.size > 0) {
    return odd(size, 'a tensor whose values are conjugated or negated when they are read,');
  }
  if (sizeOf(shape) > count && sizeOf(shape) * elements.itemBytes > MAX_EXPANDED) {
    return new PickleOddTensor(shape, `${where}, which is too large to be written out`);
  }
  return new PickleTensor(storage, elements.dtype, first, shape, strides);
}

function odd(size: PickleValue | undefined, what: string): PickleOddTensor {
  const shape = counts(size) ?? [];
  return new PickleOddTensor(shape, `has ${what} of shape [${shape.join(', ')}], which nothing here reads`);
}

function parameter(data: PickleValue | undefined): PickleTensor | PickleOddTensor {
  if (!(data instanceof PickleTensor || data instanceof PickleOddTensor)) {
    throw new Error('builds a parameter of what is no tensor');
  }
  return data;
}

/** Builds a tensor that has Python attributes: (function, class, its arguments, state). The state is dropped. */
function withState([rebuild, type, args]: readonly PickleValue[]): PickleValue {
  const plain = isCallable(type) && ['torch.Tensor', 'torch.nn.parameter.Parameter'].includes(type.global);
  if (!plain || !isCallable(rebuild) || rebuild.global === WITH_STATE || !(args instanceof PickleTuple)) {
    throw new Error('builds a tensor of another class, or of what is no function and arguments');
  }
  return parameter(rebuild.call(args.items));
}

/** Returns the bytes that protocols 0 to 2 write as a string of their code points. */
function latin1(text: PickleValue | undefined): Uint8Array {
  if (typeof text !== 'string' || /[^\0-\xff]/.test(text)) {
    throw new Error('encodes what is no string of bytes');
  }
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

/** Reads the persistent id of a storage: ('storage', type, key, device, elements) and, in old files, the range of a view. */
export function storageOf(id: PickleValue | undefined): PickleStorage {
  const [kind, type, key, , count, view] = id instanceof PickleTuple ? id.items : [];
  const elements = isCallable(type) && type.global in STORAGES ? type.elements : undefined;
  if (kind !== 'storage' || elements === undefined || typeof key !== 'string' || !isCount(count)) {
    throw new Error('refers to something outside that is no storage');
  }
  const start = view instanceof PickleTuple ? view.items[1] : 0;
  if (!isCount(start)) {
    throw new Error(`has a view of storage ${printable(key)} that begins nowhere`);
  }
  return new PickleStorage(key, elements, count, start);
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
