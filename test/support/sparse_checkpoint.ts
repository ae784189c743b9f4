/** Checkpoints of any size that take no room: headers as they must be, and holes where the values would stand (zeros). */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { crc32 } from '../../src/models/checkpoint/pickle/zip.ts';
import { bytesOf, type Part, tensor, text } from './pickles.ts';

export type SparseType = 'F32' | 'F16' | 'BF16';

const ITEM_BYTES: Readonly<Record<SparseType, number>> = { F32: 4, F16: 2, BF16: 2 };
const STORAGES: Readonly<Record<SparseType, string>> = {
  F32: 'FloatStorage',
  F16: 'HalfStorage',
  BF16: 'BFloat16Storage',
};

/** Tensors `t0`, `t1`, … of these numbers of elements. */
export function sparseSafetensors(path: string, dtype: SparseType, counts: readonly number[]): void {
  let end = 0;
  const header = Object.fromEntries(
    counts.map((count, i) => {
      const start = end;
      end += count * ITEM_BYTES[dtype];
      return [`t${i}`, { dtype, shape: [count], data_offsets: [start, end] }];
    }),
  );
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const file = openSync(path, 'w');
  writeSync(file, Buffer.concat([length, json]));
  ftruncateSync(file, 8 + json.length + end);
  closeSync(file);
}

/** The same as `torch.save` archives them: a zip of stored members, each storage a hole. */
export function sparseArchive(path: string, dtype: SparseType, counts: readonly number[]): void {
  const items: Part[] = counts.flatMap((count, i) => [
    text(`t${i}`),
    tensor({ key: String(i), count, shape: [count], strides: [1], type: STORAGES[dtype] }),
  ]);
  const pickle = Buffer.from(bytesOf(0x80, 2, '}(', ...items, 'u.'));
  const version = Buffer.from('3\n');
  const members = [
    { name: 'archive/data.pkl', size: pickle.length, content: pickle, crc: crc32(pickle) },
    { name: 'archive/version', size: version.length, content: version, crc: crc32(version) },
    ...counts.map((count, i) => ({
      ...{ name: `archive/data/${i}`, size: count * ITEM_BYTES[dtype] },
      ...{ content: null, crc: 0 },
    })),
  ];
  const file = openSync(path, 'w');
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, size, content, crc } of members) {
    const local = record(
      [0x04034b50, 4],
      [20, 2],
      [0, 2],
      [0, 2],
      [0, 4],
      [crc, 4],
      [size, 4],
      [size, 4],
      [name.length, 2],
      [0, 2],
    );
    writeSync(file, Buffer.concat([local, Buffer.from(name), content ?? Buffer.alloc(0)]), 0, null, at);
    const central = [
      [0x02014b50, 4],
      [20, 2],
      [20, 2],
      [0, 2],
      [0, 2],
      [0, 4],
      [crc, 4],
      [size, 4],
      [size, 4],
    ] as const;
    directory.push(
      record(...central, [name.length, 2], [0, 2], [0, 2], [0, 2], [0, 2], [0, 4], [at, 4]),
      Buffer.from(name),
    );
    at += local.length + name.length + size;
  }
  const list = Buffer.concat(directory);
  const end = record(
    [0x06054b50, 4],
    [0, 2],
    [0, 2],
    [members.length, 2],
    [members.length, 2],
    [list.length, 4],
    [at, 4],
    [0, 2],
  );
  writeSync(file, Buffer.concat([list, end]), 0, null, at);
  closeSync(file);
}

/** Little-endian fields: value and bytes. */
function record(...fields: readonly (readonly [number, number])[]): Buffer {
  const bytes = Buffer.alloc(fields.reduce((sum, [, width]) => sum + width, 0));
  let at = 0;
  for (const [value, width] of fields) {
    bytes.writeUIntLE(value, at, width);
    at += width;
  }
  return bytes;
}
