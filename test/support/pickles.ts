/** Pickles written opcode by opcode, and archives around them: what no honest torch.save would write. */
import { zipSync } from 'fflate';
import type { SafetensorsValue } from '../../src/models/checkpoint/safetensors/write_safetensors.ts';

export type Part = string | number | readonly Part[];

/** Strings are ASCII opcodes and arguments, numbers single bytes. */
export function bytesOf(...parts: readonly Part[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(
    parts.flatMap((part): number[] =>
      typeof part === 'string'
        ? [...part].map((c) => c.charCodeAt(0))
        : typeof part === 'number'
          ? [part]
          : [...bytesOf(...part)],
    ),
  );
}

export function u32(value: number): Part {
  return [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
}

/** BINUNICODE. */
export function text(value: string): Part {
  return ['X', u32(value.length), value];
}

/** GLOBAL. */
export function global(module: string, name: string): Part {
  return `c${module}\n${name}\n`;
}

/** A rebuilt tensor of one storage: shape and strides are BININTs. */
export function tensor(options: {
  key?: string;
  count: number;
  offset?: number;
  shape: readonly number[];
  strides: readonly number[];
  type?: string;
  /** As before PyTorch 1.6, where a storage is followed by its view. */
  legacy?: boolean;
}): Part {
  const { key = '0', count, offset = 0, shape, strides, type = 'FloatStorage', legacy = false } = options;
  const int = (n: number): Part => ['J', u32(n)];
  return [
    global('torch._utils', '_rebuild_tensor_v2'),
    ['((', text('storage'), global('torch', type), text(key), text('cpu'), int(count), legacy ? 'NtQ' : 'tQ'],
    [int(offset), '(', ...shape.map(int), 't(', ...strides.map(int), 't'],
    [0x89, global('collections', 'OrderedDict'), ')RtR'],
  ];
}

/** A dictionary of one entry, as a whole pickle. */
export function pickleOf(value: Part, key = 'w'): Uint8Array<ArrayBuffer> {
  return bytesOf(0x80, 2, '}', text(key), value, 's.');
}

/** A torch archive with this data.pkl and these storages, stored. */
export function archiveOf(
  pickle: Uint8Array,
  storages: Readonly<Record<string, Uint8Array>> = {},
  extra: Readonly<Record<string, Uint8Array>> = {},
): Uint8Array {
  const members: Record<string, Uint8Array> = { 'archive/data.pkl': pickle, 'archive/version': bytesOf('3\n') };
  for (const [key, data] of Object.entries(storages)) {
    members[`archive/data/${key}`] = data;
  }
  return zipSync({ ...members, ...extra }, { level: 0 });
}

/** A flat f32 state dict as torch.save would archive it. */
export function torchArchive(tensors: Readonly<Record<string, SafetensorsValue>>): Uint8Array {
  const items: Part[] = [];
  const storages: Record<string, Uint8Array> = {};
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    const key = String(Object.keys(storages).length);
    const strides = shape.map((_, i) => shape.slice(i + 1).reduce((n, d) => n * d, 1));
    items.push(text(name), tensor({ key, count: data.length, shape, strides }));
    storages[key] = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  return archiveOf(bytesOf(0x80, 2, '}(', ...items, 'u.'), storages);
}
