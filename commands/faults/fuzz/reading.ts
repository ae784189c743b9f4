/** One file as it is read here: its tensors, or the sentence that refuses it, and what reading it took. */
import { createHash } from 'node:crypto';
import { bytesSource } from '../../../src/models/checkpoint/byte_source.ts';
import { openPickle } from '../../../src/models/checkpoint/pickle/open_pickle.ts';
import { openSafetensors } from '../../../src/models/checkpoint/safetensors/open_safetensors.ts';
import { STORED_BYTES, type StoredDType } from '../../../src/models/checkpoint/stored_dtype.ts';
import { sizeOf } from '../../../src/tensor/types.ts';
import type { Input } from './mutate.ts';

/** dtype, shape, and MD5 of the values; null where they are too many to be compared. */
export type Described = readonly [dtype: string, shape: readonly number[], md5: string | null];

export interface Reading {
  readonly ok: boolean;
  readonly tensors: Readonly<Record<string, Described>>;
  /** Names of tensors that are known and not read. */
  readonly odd: readonly string[];
  readonly error: string;
  /** Whether the error is one that no check meant: another class, or no sentence that begins with the file. */
  readonly crashed: boolean;
  readonly milliseconds: number;
}

/** As in python/reference/fuzz_reader.py. */
const MAX_VALUES = 2 ** 20;
const FILE = 'f';

/** Any byte but 0 is true: PyTorch may make it 1 when it copies. */
function valuesOf(bytes: Uint8Array, dtype: StoredDType): Uint8Array {
  return dtype === 'BOOL' ? bytes.map((byte) => (byte ? 1 : 0)) : bytes;
}

export async function readHere({ kind, bytes }: Input): Promise<Reading> {
  const start = performance.now();
  const spent = (): number => performance.now() - start;
  try {
    const file = await (kind === 'safetensors' ? openSafetensors : openPickle)(bytesSource(FILE, bytes));
    const tensors: Record<string, Described> = {};
    for (const [name, { dtype, shape }] of file.entries) {
      const small = sizeOf(shape) * STORED_BYTES[dtype] <= MAX_VALUES;
      const md5 = small
        ? createHash('md5')
            .update(valuesOf(await file.read(name), dtype))
            .digest('hex')
        : null;
      Object.defineProperty(tensors, name, { value: [dtype, shape, md5], enumerable: true });
    }
    const odd = [...(file.unreadable?.keys() ?? [])];
    return { ok: true, tensors, odd, error: '', crashed: false, milliseconds: spent() };
  } catch (error) {
    const [name, text] = error instanceof Error ? [error.name, error.message] : ['', String(error)];
    const crashed = name !== 'Error' || !/^f: [\x20-\x7e]+$/.test(text);
    return { ok: false, tensors: {}, odd: [], error: text, crashed, milliseconds: spent() };
  }
}
