/**
 * Reads safetensors files: 8 bytes with the header's length (u64, little-endian), a JSON header, then the tensors' bytes.
 * Every value of the header is checked against the file. Tensors are read one by one, by range.
 * Format: https://github.com/huggingface/safetensors (README, "Format").
 */
import { at, sizeOf } from '../../../tensor/types.ts';
import type { ByteSource } from '../byte_source.ts';
import { listed } from '../messages.ts';
import { STORED_BYTES, type StoredDType } from '../stored_dtype.ts';
import type { RowRange, TensorEntry, TensorFile } from '../tensor_file.ts';

interface SafetensorsEntry extends TensorEntry {
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

/** Reads and checks the header. @throws Error, one sentence with the file, the tensor and what to do, when the header is wrong */
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

/** Returns the entry, or what is wrong with it. */
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

function isDType(name: string): name is StoredDType {
  return Object.hasOwn(STORED_BYTES, name);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

/** Returns the stored bytes of one tensor, or of some of its rows. @throws Error naming a tensor that the file lacks */
async function readBytes(file: SafetensorsFile, name: string, rows?: RowRange): Promise<Uint8Array<ArrayBuffer>> {
  const entry = entryOf(file, name);
  if (entry.bytes === 0) {
    return new Uint8Array(0);
  }
  const rowBytes = rows ? entry.bytes / at(entry.shape, 0) : 0;
  return rows
    ? file.source.read(entry.offset + rows.from * rowBytes, rows.count * rowBytes)
    : file.source.read(entry.offset, entry.bytes);
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
