/** The Python globals that a state dict may name, and the value that each builds. Any other name is refused. */
import type { ReadMeter } from '../read_budget.ts';
import { DTYPES, STORAGES } from './element_types.ts';
import {
  checkState,
  expectArguments,
  odd,
  rebuildParameter,
  rebuildTensor,
  rebuildTensorV2,
  rebuildTensorV3,
  tensorOf,
} from './rebuild_tensor.ts';
import {
  type ElementType,
  isCallable,
  isMap,
  type PickleCallable,
  PickleMap,
  PickleOddTensor,
  PickleOther,
  PickleTuple,
  type PickleValue,
} from './values.ts';

const refuseCall = (global: string) => (): never => {
  throw new Error(`calls ${global}, which is no function`);
};

const named = (elements: Readonly<Record<string, ElementType>>, prefix: string, isDType: boolean): PickleCallable[] =>
  Object.entries(elements).map(([name, type]) => {
    const global = prefix + name;
    return { global, elements: type, isDType, call: refuseCall(global) };
  });

const WITH_STATE = 'torch._tensor._rebuild_from_type_v2';
/** torch's names of the kinds of quantization, which are arguments of tensors that nothing here reads. */
const SCHEMES = ['affine', 'symmetric'].flatMap((kind) => [`torch.per_tensor_${kind}`, `torch.per_channel_${kind}`]);

const values: Readonly<Record<string, PickleCallable['call']>> = {
  'collections.OrderedDict': (args) => orderedDict(args),
  'collections.Counter': (args) => counter(args),
  'torch._utils._rebuild_tensor': rebuildTensor,
  'torch._utils._rebuild_tensor_v2': rebuildTensorV2,
  'torch._utils._rebuild_tensor_v3': rebuildTensorV3,
  'torch._utils._rebuild_parameter': (args) => rebuildParameter(args, false),
  'torch._utils._rebuild_parameter_with_state': (args) => rebuildParameter(args, true),
  'torch.nn.parameter.Parameter': (args) => {
    expectArguments('Parameter', args, 2, 2);
    return rebuildParameter([...args, null], false);
  },
  'torch.Tensor': refuseCall('torch.Tensor'),
  [WITH_STATE]: withState,
  'torch._utils._rebuild_sparse_tensor': () => new PickleOddTensor([], 'has a sparse tensor, which nothing here reads'),
  'torch._utils._rebuild_qtensor': ([, , size], meter) => odd(size, 'a quantized tensor', meter),
  'torch._utils._rebuild_meta_tensor_no_storage': ([, size], meter) =>
    odd(size, 'a tensor without values (device "meta")', meter),
  'torch._utils._rebuild_nested_tensor': () => new PickleOddTensor([], 'has a nested tensor, which nothing here reads'),
  'torch.Size': (args) => size(args),
  'torch.device': (args) => other(args, /^(cpu|cuda|mps|xpu|meta)(:\d)?$/),
  'torch.serialization._get_layout': (args) => other(args, /^torch\.(strided|sparse_(coo|csr|csc|bsr|bsc))$/),
  // Python 3 writes the names of Python 2 in protocols 0 to 2.
  ...Object.fromEntries(
    ['builtins', '__builtin__'].flatMap((module): [string, PickleCallable['call']][] => [
      [`${module}.set`, (args) => set(args)],
      [`${module}.complex`, (args) => complex(args)],
      [`${module}.bytearray`, (args) => bytearray(args)],
    ]),
  ),
  '_codecs.encode': (args) => latin1(args),
};

const ALL: readonly PickleCallable[] = [
  ...Object.entries(values).map(([global, call]) => ({ global, call })),
  ...SCHEMES.map((global) => ({ global, call: refuseCall(global) })),
  ...named(STORAGES, '', false),
  ...named(DTYPES, 'torch.', true),
];

/** The globals by full name, such as `torch._utils._rebuild_tensor_v2`. */
export const GLOBALS: ReadonlyMap<string, PickleCallable> = new Map(ALL.map((entry) => [entry.global, entry]));

/** Builds OrderedDict() or OrderedDict([[key, value], …]). */
function orderedDict(args: readonly PickleValue[]): PickleMap {
  const [pairs = []] = args;
  const map = new PickleMap(true);
  if (args.length > 1 || !Array.isArray(pairs)) {
    return refusePairs();
  }
  for (const pair of pairs) {
    const items = pair instanceof PickleTuple ? pair.items : Array.isArray(pair) ? pair : [];
    const [key, value] = items;
    if (items.length !== 2 || value === undefined) {
      return refusePairs();
    }
    map.set(keyOf(key), value);
  }
  return map;
}

function refusePairs(): never {
  throw new Error('builds an OrderedDict of what are no pairs');
}

/** Builds Counter({element: count, …}), which holds no tensors. */
function counter(args: readonly PickleValue[]): PickleMap {
  const [counts = new PickleMap()] = args;
  if (args.length > 1 || !isMap(counts)) {
    throw new Error('builds a Counter of what is no dictionary');
  }
  const copy = new PickleMap();
  for (const [key, value] of counts) {
    copy.set(key, value);
  }
  return copy;
}

/** Returns a value as a dictionary's key. Python takes more kinds; no name of a tensor is one. */
export function keyOf(key: PickleValue | undefined): string | number | bigint {
  switch (typeof key) {
    case 'string':
    case 'number':
    case 'bigint':
      return key;
    case 'boolean':
      return Number(key); // As in Python, True and 1 are one key.
    default:
      throw new Error('has a key that is no string and no whole number');
  }
}

function size(args: readonly PickleValue[]): PickleTuple {
  const [items = new PickleTuple([])] = args;
  const list = items instanceof PickleTuple ? items.items : Array.isArray(items) ? items : null;
  if (args.length > 1 || !list?.every((n) => typeof n === 'number')) {
    throw new Error('builds a torch.Size of what are no whole numbers');
  }
  return new PickleTuple(list);
}

/** Builds a tensor that has Python attributes: (function, class, its arguments, state). The state is dropped. */
function withState(args: readonly PickleValue[], meter: ReadMeter): PickleValue {
  expectArguments('_rebuild_from_type_v2', args, 4, 4);
  const [rebuild, type, inner, state] = args;
  const plain = isCallable(type) && ['torch.Tensor', 'torch.nn.parameter.Parameter'].includes(type.global);
  if (!plain || !isCallable(rebuild) || rebuild.global === WITH_STATE || !(inner instanceof PickleTuple)) {
    throw new Error('builds a tensor of another class, or of what is no function and arguments');
  }
  checkState(state);
  return tensorOf(rebuild.call(inner.items, meter));
}

function set(args: readonly PickleValue[]): PickleOther {
  const [items = []] = args;
  const simple = (item: PickleValue): boolean =>
    item === null || typeof item !== 'object' || item instanceof PickleOther;
  if (args.length > 1 || !Array.isArray(items) || !items.every(simple)) {
    throw new Error('builds a set of what are no simple values');
  }
  return new PickleOther();
}

function complex(args: readonly PickleValue[]): PickleOther {
  const real = (value: PickleValue): boolean =>
    typeof value === 'number' || (value instanceof PickleOther && value.isReal);
  if (args.length > 2 || !args.every(real)) {
    throw new Error('builds a complex number of what are no numbers');
  }
  return new PickleOther();
}

function bytearray(args: readonly PickleValue[]): Uint8Array {
  const [bytes = new Uint8Array(0)] = args;
  if (args.length > 1 || !(bytes instanceof Uint8Array)) {
    throw new Error('builds bytes of what are no bytes');
  }
  return bytes;
}

/** Builds a value of a device or a layout, which nothing here uses, from its name. */
function other(args: readonly PickleValue[], known: RegExp): PickleOther {
  const [name, index = 0] = args;
  if (args.length > 2 || typeof name !== 'string' || !known.test(name) || (args.length === 2 && index !== 0)) {
    throw new Error('builds a device or a layout of an unknown name');
  }
  return new PickleOther();
}

/** Returns the bytes that protocols 0 to 2 write as a string of their code points. */
function latin1(args: readonly PickleValue[]): Uint8Array {
  const [text, encoding] = args;
  if (args.length !== 2 || encoding !== 'latin1' || typeof text !== 'string' || /[^\0-\xff]/.test(text)) {
    throw new Error('encodes what is no string of bytes');
  }
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

/** Checks the target of BUILD. The state itself (`_metadata` of modules) says nothing about tensors, so it is dropped. */
export function build(target: PickleValue | undefined, state: PickleValue): void {
  if (!isMap(target) || !target.ordered || !isMap(state)) {
    throw new Error('sets the state of something other than an OrderedDict');
  }
}
