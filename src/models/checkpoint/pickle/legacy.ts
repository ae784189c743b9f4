/** Reads checkpoints of PyTorch before 1.6: five pickles (magic, version, machine, object, storage keys), then the storages. */
import type { ByteSource } from '../byte_source.ts';
import { printable } from '../messages.ts';
import { CHECKPOINT_BUDGET, ReadMeter } from '../read_budget.ts';
import { PickleEnds } from './reader.ts';
import { unpickle } from './unpickler.ts';
import { isMap, type PickledCheckpoint, type PickleStorage, type PickleValue } from './values.ts';

const MAGIC = 0x1950a86a20f9469cfc6cn;
const VERSION = 1001;
/** Each storage begins with its number of elements, in this many bytes. */
const PREFIX = 8;

export async function readLegacy(source: ByteSource): Promise<PickledCheckpoint> {
  const { root, storages, keys, end } = await pickles(source);
  const starts = new Map<string, number>();
  let at = end;
  for (const key of keys) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined;
    if (!storage || starts.has(storage.key)) {
      throw new Error(`has a storage that its pickle does not describe, or one twice`);
    }
    starts.set(storage.key, at);
    at += PREFIX + storage.count * storage.itemBytes;
  }
  if (at > source.size) {
    throw new Error(`is truncated: its storages need ${at} bytes, the file has ${source.size}`);
  }
  const locate = async ({ key, count }: PickleStorage): Promise<number> => {
    const start = starts.get(key);
    if (start === undefined) {
      throw new Error(`has no storage ${printable(key)}`);
    }
    const prefix = await source.read(start, PREFIX);
    const found = new DataView(prefix.buffer, prefix.byteOffset, PREFIX).getBigInt64(0, true);
    if (found !== BigInt(count)) {
      throw new Error(`has ${found} elements in storage ${printable(key)} where ${count} should be`);
    }
    return start + PREFIX;
  };
  return { root, locate };
}

interface Pickles {
  readonly root: PickleValue;
  readonly storages: ReadonlyMap<string, PickleStorage>;
  readonly keys: readonly PickleValue[];
  readonly end: number;
}

/** Reads the five pickles. Their length is unknown, so it reads the first part of the file, and a larger part where that ends too early. */
async function pickles(source: ByteSource): Promise<Pickles> {
  for (let bytes = 2 ** 18; ; bytes *= 8) {
    const length = Math.min(bytes, source.size, CHECKPOINT_BUDGET.bytes);
    try {
      return fivePickles(await source.read(0, length));
    } catch (error) {
      if (!(error instanceof PickleEnds)) {
        throw error;
      }
      if (length === source.size) {
        throw new Error('is truncated: it ends inside its pickle');
      }
      if (length === CHECKPOINT_BUDGET.bytes) {
        throw new Error(
          `describes its tensors in more than ${CHECKPOINT_BUDGET.bytes} bytes, which no state dict needs`,
        );
      }
    }
  }
}

/** Reads the five pickles at the beginning of the file. @throws PickleEnds when `bytes` end inside them */
function fivePickles(bytes: Uint8Array): Pickles {
  const meter = new ReadMeter(CHECKPOINT_BUDGET);
  const magic = unpickle(bytes, meter, true);
  if (magic.value !== MAGIC) {
    throw new Error('is a pickle, but none that torch.save wrote; save model.state_dict() with it');
  }
  const version = unpickle(bytes, meter, true, magic.end);
  if (version.value !== VERSION) {
    throw new Error(`has a format version that is unknown; known is ${VERSION}`);
  }
  const machine = unpickle(bytes, meter, true, version.end);
  if (!isMap(machine.value) || machine.value.get('little_endian') !== true) {
    throw new Error('was not saved on a little-endian machine');
  }
  const root = unpickle(bytes, meter, true, machine.end);
  const keys = unpickle(bytes, meter, true, root.end);
  if (!Array.isArray(keys.value)) {
    throw new Error('has no list of storages');
  }
  return { root: root.value, storages: root.storages, keys: keys.value, end: keys.end };
}
