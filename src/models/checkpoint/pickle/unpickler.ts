/**
 * Reads Python's pickle, as far as `torch.save` of a state dict uses it (protocols 0 to 5): a stack machine that builds
 * containers, numbers and descriptions of tensors. It runs no code of the file: a global is looked up in `globals.ts`, and an
 * unknown name is an error. Opcodes: CPython, Lib/pickletools.py.
 */

import { printable } from '../messages.ts';
import type { ReadMeter } from '../read_budget.ts';
import { build, GLOBALS, keyOf } from './globals.ts';
import { PickleReader } from './reader.ts';
import { storageOf } from './rebuild_tensor.ts';
import {
  isCallable,
  isMap,
  PickleMap,
  PickleOther,
  type PickleStorage,
  PickleTuple,
  type PickleValue,
} from './values.ts';

interface Unpickled {
  readonly value: PickleValue;
  /** Every storage that the pickle refers to, by key. */
  readonly storages: ReadonlyMap<string, PickleStorage>;
  /** Position after the pickle, where the next part of the file begins. */
  readonly end: number;
}

/**
 * Reads one pickle from `bytes` at `start`.
 * @param legacy whether persistent ids have the form of files before PyTorch 1.6
 * @throws PickleEnds when the bytes end too early, Error with what is wrong, as the end of a sentence about the file
 */
export function unpickle(bytes: Uint8Array, meter: ReadMeter, legacy: boolean, start = 0): Unpickled {
  const machine = new Machine(meter, legacy);
  const reader = new PickleReader(bytes, start);
  for (;;) {
    const opcode = reader.u8();
    if (opcode === STOP) {
      return { value: machine.pop(), storages: machine.storages, end: reader.position };
    }
    const run = OPCODES.get(opcode);
    if (!run) {
      throw new Error(`has the pickle opcode 0x${opcode.toString(16)}, which no state dict needs`);
    }
    meter.objects(1);
    run(machine, reader);
  }
}

const STOP = 0x2e;
const MARK = Symbol('mark');

class Machine {
  readonly meter: ReadMeter;
  readonly legacy: boolean;
  readonly storages = new Map<string, PickleStorage>();
  readonly #stack: (PickleValue | typeof MARK)[] = [];
  readonly #memo = new Map<number, PickleValue>();

  constructor(meter: ReadMeter, legacy: boolean) {
    this.meter = meter;
    this.legacy = legacy;
  }

  push(value: PickleValue): void {
    this.#stack.push(value);
  }

  /** Pushes an empty container, which takes the memory of several numbers. */
  container(value: PickleValue): void {
    this.meter.objects(3);
    this.push(value);
  }

  /** Pushes a fraction. No shape, offset or key is one, so its value is dropped. */
  real(_: number): void {
    this.push(new PickleOther(true));
  }

  mark(): void {
    this.#stack.push(MARK);
  }

  top(): PickleValue {
    const value = this.#stack.at(-1);
    return value === undefined || value === MARK ? underflow() : value;
  }

  pop(): PickleValue {
    const value = this.top();
    this.#stack.pop();
    return value;
  }

  popMany(count: number): PickleValue[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  popMark(): PickleValue[] {
    const mark = this.#stack.lastIndexOf(MARK);
    const items = mark < 0 ? underflow() : this.#stack.splice(mark);
    return items.filter((item): item is PickleValue => item !== MARK);
  }

  memoize(index = this.#memo.size): void {
    this.#memo.set(index, this.top());
  }

  recall(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) {
      throw new Error(`uses entry ${index} of its memo before it is there`);
    }
    this.push(value);
  }

  append(items: readonly PickleValue[]): void {
    const list = this.top();
    if (!Array.isArray(list)) {
      throw new Error('appends to what is no list');
    }
    for (const item of items) {
      list.push(item);
    }
  }

  /** Adds to a set, which nothing here uses. */
  addItems(_: readonly PickleValue[]): void {
    if (!(this.top() instanceof PickleOther)) {
      throw new Error('adds to what is no set');
    }
  }

  setItems(items: readonly PickleValue[]): void {
    const map = this.top();
    if (!isMap(map) || items.length % 2 !== 0) {
      throw new Error('sets items of what is no dictionary');
    }
    for (let i = 0; i < items.length; i += 2) {
      map.set(keyOf(items[i]), items[i + 1] ?? null);
    }
  }

  dict(items: readonly PickleValue[]): void {
    this.push(new PickleMap());
    this.setItems(items);
  }

  global(module: PickleValue, name: PickleValue): void {
    if (typeof module !== 'string' || typeof name !== 'string') {
      throw new Error('asks for a Python object by what is no name');
    }
    const found = GLOBALS.get(`${module}.${name}`);
    if (!found) {
      const full = printable(`${module}.${name}`);
      throw new Error(`asks for the Python object ${full}, which is no part of a state dict; it was not run`);
    }
    this.push(found);
  }

  reduce(): void {
    const args = this.pop();
    const callable = this.pop();
    if (!isCallable(callable) || !(args instanceof PickleTuple)) {
      throw new Error('calls what is no function');
    }
    this.push(callable.call(args.items, this.meter));
  }

  refer(storage: PickleStorage): void {
    const known = this.storages.get(storage.key);
    if (
      known &&
      (known.dtype !== storage.dtype || known.itemBytes !== storage.itemBytes || known.count !== storage.count)
    ) {
      throw new Error(`describes storage ${printable(storage.key)} in two ways`);
    }
    this.storages.set(storage.key, storage);
    this.push(storage);
  }
}

function underflow(): never {
  throw new Error('takes more from its stack than is on it');
}

function protocol(version: number): void {
  if (version < 2 || version > 5) {
    throw new Error(`is a pickle of protocol ${version}, known are 2 to 5`);
  }
}

/** Protocol 0 has persistent ids as text only, so PyTorch itself cannot read back what it writes there. */
function refuseTextualStorage(): never {
  throw new Error('is a pickle of protocol 0 with tensors, which PyTorch cannot read either; save it with protocol 2');
}

type Opcode = (machine: Machine, reader: PickleReader) => void;

/** Opcodes by their byte, with pickletools' names. */
const OPCODES: ReadonlyMap<number, Opcode> = new Map<number, Opcode>([
  [0x80, (_, r) => protocol(r.u8())], // PROTO
  [0x95, (_, r) => void r.skip(8)], // FRAME

  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x4b, (m, r) => m.push(r.u8())], // BININT1
  [0x4d, (m, r) => m.push(r.u16())], // BININT2
  [0x4a, (m, r) => m.push(r.i32())], // BININT
  [0x8a, (m, r) => m.push(r.integer(r.u8()))], // LONG1
  [0x49, (m, r) => m.push(r.int())], // INT
  [0x4c, (m, r) => m.push(r.decimal())], // LONG
  [0x46, (m, r) => m.real(r.float())], // FLOAT
  [0x47, (m, r) => m.real(r.f64())], // BINFLOAT

  [0x58, (m, r) => m.push(r.utf8(r.u32()))], // BINUNICODE
  [0x8c, (m, r) => m.push(r.utf8(r.u8()))], // SHORT_BINUNICODE
  [0x8d, (m, r) => m.push(r.utf8(r.u64()))], // BINUNICODE8
  [0x54, (m, r) => m.push(r.utf8(r.u32()))], // BINSTRING
  [0x55, (m, r) => m.push(r.utf8(r.u8()))], // SHORT_BINSTRING
  [0x56, (m, r) => m.push(r.unicodeLine())], // UNICODE
  [0x53, (m, r) => m.push(r.quotedLine())], // STRING
  [0x42, (m, r) => m.push(r.bytes(r.u32()))], // BINBYTES
  [0x43, (m, r) => m.push(r.bytes(r.u8()))], // SHORT_BINBYTES
  [0x8e, (m, r) => m.push(r.bytes(r.u64()))], // BINBYTES8
  [0x96, (m, r) => m.push(r.bytes(r.u64()))], // BYTEARRAY8

  [0x28, (m) => m.mark()], // MARK
  [0x30, (m) => void m.pop()], // POP
  [0x32, (m) => m.push(m.top())], // DUP
  [0x31, (m) => void m.popMark()], // POP_MARK
  [0x29, (m) => m.push(new PickleTuple([]))], // EMPTY_TUPLE
  [0x74, (m) => m.push(new PickleTuple(m.popMark()))], // TUPLE
  [0x85, (m) => m.push(new PickleTuple(m.popMany(1)))], // TUPLE1
  [0x86, (m) => m.push(new PickleTuple(m.popMany(2)))], // TUPLE2
  [0x87, (m) => m.push(new PickleTuple(m.popMany(3)))], // TUPLE3
  [0x5d, (m) => m.container([])], // EMPTY_LIST
  [0x8f, (m) => m.push(new PickleOther())], // EMPTY_SET
  [0x6c, (m) => m.push(m.popMark())], // LIST
  [0x61, (m) => m.append(m.popMany(1))], // APPEND
  [0x65, (m) => m.append(m.popMark())], // APPENDS
  [0x90, (m) => m.addItems(m.popMark())], // ADDITEMS
  [0x7d, (m) => m.container(new PickleMap())], // EMPTY_DICT
  [0x64, (m) => m.dict(m.popMark())], // DICT
  [0x73, (m) => m.setItems(m.popMany(2))], // SETITEM
  [0x75, (m) => m.setItems(m.popMark())], // SETITEMS

  [0x71, (m, r) => m.memoize(r.u8())], // BINPUT
  [0x72, (m, r) => m.memoize(r.u32())], // LONG_BINPUT
  [0x94, (m) => m.memoize()], // MEMOIZE
  [0x70, (m, r) => m.memoize(Number(r.decimal()))], // PUT
  [0x67, (m, r) => m.recall(Number(r.decimal()))], // GET
  [0x68, (m, r) => m.recall(r.u8())], // BINGET
  [0x6a, (m, r) => m.recall(r.u32())], // LONG_BINGET

  // In Python these four run code. Here they look names up in a table and build data.
  [0x63, (m, r) => m.global(r.line(), r.line())], // GLOBAL
  [0x93, (m) => m.global(...twoOf(m.popMany(2)))], // STACK_GLOBAL
  [0x52, (m) => m.reduce()], // REDUCE
  [0x51, (m) => m.refer(storageOf(m.pop(), m.legacy))], // BINPERSID
  [0x50, refuseTextualStorage], // PERSID
  [
    0x62,
    (m) => {
      const state = m.pop();
      build(m.top(), state);
    },
  ], // BUILD
]);

function twoOf([a = null, b = null]: readonly PickleValue[]): [PickleValue, PickleValue] {
  return [a, b];
}
