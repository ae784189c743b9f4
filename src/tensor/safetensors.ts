/**
 * safetensors files: 8 bytes header length (u64, little-endian), a JSON header, then the tensors' bytes.
 * Nothing in a header is believed before it is checked against the file; tensors are read one by one, by range.
 * Format: https://github.com/huggingface/safetensors (README, "Format").
 */
import { decodeBF16, decodeF16 } from './half.ts';
import type { RowRange, TensorEntry, TensorFile } from './tensor_file.ts';
import type { Shape } from './types.ts';
import { at, sizeOf } from './types.ts';

/** Bytes that can be read by range: a file, a URL, a buffer. Implemented by the faces (src/cli, src/web). */
export interface ByteSource {
  /** For messages: path or URL. */
  readonly name: string;
  readonly size: number;
  /** Exactly `length` bytes from `offset`. @throws Error when they cannot be read. */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** Bytes of one value. */
export const STORED_BYTES = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
};
export type SafetensorsDType = keyof typeof STORED_BYTES;

export interface SafetensorsEntry extends TensorEntry {
  /** Position in the file. */
  readonly offset: number;
  readonly bytes: number;
}

export interface SafetensorsFile extends TensorFile {
  readonly source: ByteSource;
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

const AGAIN = 'download or export it again';
/** The reference implementation's own limit. */
const MAX_HEADER = 100_000_000;

/** Reads and checks the header. @throws Error, one sentence with the file, the tensor and what to do, when it lies. */
export async function openSafetensors(source: ByteSource): Promise<SafetensorsFile> {
  const fail = (what: string): never => {
    throw new Error(`${source.name}: ${what}`);
  };
  if (source.size < 8) {
    fail(`is ${source.size} bytes long, too short for a safetensors file; ${AGAIN}`);
  }
  const start = await source.read(0, 8);
  const headerBytes = Number(new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true));
  if (headerBytes < 2 || headerBytes > MAX_HEADER) {
    fail(`is not a safetensors file (its header would be ${headerBytes} bytes); give a .safetensors file`);
  }
  if (8 + headerBytes > source.size) {
    fail(`is truncated: its header needs ${8 + headerBytes} bytes, the file has ${source.size}; ${AGAIN}`);
  }
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(await source.read(8, headerBytes)));
  } catch (error) {
    fail(`has a header that is not valid JSON (${error instanceof Error ? error.message : error}); ${AGAIN}`);
  }
  if (!isRecord(header)) {
    return fail(`has a header that is not a JSON object; ${AGAIN}`);
  }
  const metadata: Record<string, string> = {};
  const entries = new Map<string, SafetensorsEntry>();
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') {
      for (const [key, text] of Object.entries(isRecord(value) ? value : {})) {
        metadata[key] = String(text);
      }
    } else {
      const entry = checkEntry(name, value, 8 + headerBytes, source.size);
      entries.set(name, typeof entry === 'string' ? fail(`tensor ${name} ${entry}; ${AGAIN}`) : entry);
    }
  }
  let end = 8 + headerBytes;
  let before = '';
  for (const entry of [...entries.values()].sort((a, b) => a.offset - b.offset || a.bytes - b.bytes)) {
    if (entry.offset < end) {
      fail(`tensor ${entry.name} overlaps tensor ${before}; ${AGAIN}`);
    }
    end = entry.offset + entry.bytes;
    before = entry.name;
  }
  const file: SafetensorsFile = { source, entries, metadata, read: (name, rows) => readBytes(file, name, rows) };
  return file;
}

/** The entry, or what is wrong with it. */
function checkEntry(name: string, value: unknown, dataStart: number, fileSize: number): SafetensorsEntry | string {
  if (!isRecord(value)) {
    return 'has a header entry that is not an object';
  }
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !isDType(dtype)) {
    return `has the unknown dtype ${JSON.stringify(dtype)} (known are ${Object.keys(STORED_BYTES).join(', ')})`;
  }
  if (!isCounts(shape) || !Number.isSafeInteger(sizeOf(shape))) {
    return `has the invalid shape ${JSON.stringify(shape)}`;
  }
  if (!isCounts(offsets) || offsets.length !== 2 || at(offsets, 0) > at(offsets, 1)) {
    return `has the invalid data_offsets ${JSON.stringify(offsets)}`;
  }
  const bytes = at(offsets, 1) - at(offsets, 0);
  const needed = sizeOf(shape) * STORED_BYTES[dtype];
  if (bytes !== needed) {
    return `is ${dtype} [${shape.join(', ')}], which is ${needed} bytes, but its data_offsets span ${bytes}`;
  }
  if (dataStart + at(offsets, 1) > fileSize) {
    return `ends at byte ${dataStart + at(offsets, 1)}, after the end of the file (${fileSize} bytes): it is truncated`;
  }
  return { name, dtype, shape, offset: dataStart + at(offsets, 0), bytes };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDType(name: string): name is SafetensorsDType {
  return Object.hasOwn(STORED_BYTES, name);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

/** The stored bytes of one tensor, or of some of its rows, as they are. @throws Error naming a tensor that the file has not. */
export async function readBytes(
  file: SafetensorsFile,
  name: string,
  rows?: RowRange,
): Promise<Uint8Array<ArrayBuffer>> {
  const entry = entryOf(file, name);
  if (entry.bytes === 0) {
    return new Uint8Array(0);
  }
  const rowBytes = rows ? entry.bytes / at(entry.shape, 0) : 0;
  return rows
    ? file.source.read(entry.offset + rows.from * rowBytes, rows.count * rowBytes)
    : file.source.read(entry.offset, entry.bytes);
}

/** One tensor as f32 (integers too, so exact only up to 2^24), row-major. */
export async function readFloats(file: SafetensorsFile, name: string): Promise<Float32Array<ArrayBuffer>> {
  return toFloats(await readBytes(file, name), entryOf(file, name).dtype);
}

function entryOf(file: SafetensorsFile, name: string): SafetensorsEntry {
  const entry = file.entries.get(name);
  if (!entry) {
    throw new Error(
      `${file.source.name}: there is no tensor ${name}; the file has ${listed([...file.entries.keys()])}`,
    );
  }
  return entry;
}

/** Stored bytes as f32; f32 itself is not copied. All machines that run WebGPU are little-endian, as the format is. */
export function toFloats(bytes: Uint8Array<ArrayBuffer>, dtype: SafetensorsDType): Float32Array<ArrayBuffer> {
  const aligned = bytes.byteOffset % STORED_BYTES[dtype] === 0 ? bytes : bytes.slice();
  const { byteOffset } = aligned;
  const count = aligned.byteLength / STORED_BYTES[dtype];
  const buffer: ArrayBuffer = aligned.buffer;
  switch (dtype) {
    case 'F32':
      return new Float32Array(buffer, byteOffset, count);
    case 'F16':
      return decodeF16(new Uint16Array(buffer, byteOffset, count));
    case 'BF16':
      return decodeBF16(new Uint16Array(buffer, byteOffset, count));
    case 'F64':
      return Float32Array.from(new Float64Array(buffer, byteOffset, count));
    case 'I64':
      return Float32Array.from(new BigInt64Array(buffer, byteOffset, count), Number);
    case 'U64':
      return Float32Array.from(new BigUint64Array(buffer, byteOffset, count), Number);
    case 'I32':
      return Float32Array.from(new Int32Array(buffer, byteOffset, count));
    case 'U32':
      return Float32Array.from(new Uint32Array(buffer, byteOffset, count));
    case 'I16':
      return Float32Array.from(new Int16Array(buffer, byteOffset, count));
    case 'U16':
      return Float32Array.from(new Uint16Array(buffer, byteOffset, count));
    case 'I8':
      return Float32Array.from(new Int8Array(buffer, byteOffset, count));
    case 'U8':
    case 'BOOL':
      return Float32Array.from(new Uint8Array(buffer, byteOffset, count));
  }
}

/** A tensor to be written: the array's type gives the dtype. */
export interface SafetensorsValue {
  readonly shape: Shape;
  readonly data: Float32Array | Int32Array;
}

/** A whole file in memory, for small things (latents, fixtures). @throws Error when a shape does not fit its data. */
export function writeSafetensors(
  tensors: Readonly<Record<string, SafetensorsValue>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = Object.keys(metadata).length > 0 ? { __metadata__: metadata } : {};
  let end = 0;
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    if (sizeOf(shape) !== data.length) {
      throw new Error(`tensor ${name} of shape [${shape.join(', ')}] got ${data.length} values`);
    }
    header[name] = {
      dtype: data instanceof Int32Array ? 'I32' : 'F32',
      shape,
      data_offsets: [end, end + data.byteLength],
    };
    end += data.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  // Data begins at a multiple of 8; the format pads the header with spaces.
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(8 + headerBytes + end).fill(0x20, 8, 8 + headerBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.set(json, 8);
  let offset = 8 + headerBytes;
  for (const { data } of Object.values(tensors)) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return file;
}

/** A source over bytes that are already in memory. */
export function bytesSource(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    size: bytes.byteLength,
    read: async (offset, length) => {
      if (offset + length > bytes.byteLength) {
        throw new Error(`${name}: bytes ${offset} to ${offset + length} were asked for, it has ${bytes.byteLength}`);
      }
      return new Uint8Array(bytes.subarray(offset, offset + length));
    },
  };
}

/** The first few of many names, for messages. */
export function listed(names: readonly string[], limit = 5): string {
  const more = names.length - limit;
  return names.length === 0 ? 'none' : names.slice(0, limit).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
