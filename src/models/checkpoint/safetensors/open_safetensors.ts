/**
 * Reads safetensors files: 8 bytes with the header's length (u64, little-endian), a JSON header, then the tensors' bytes.
 * Every value of the header is checked against the file. Tensors are read one by one, by range.
 * Format: https://github.com/huggingface/safetensors (README, "Format").
 */
import { at } from '../../../tensor/types.ts';
import type { ByteSource } from '../byte_source.ts';
import { listed, printable } from '../messages.ts';
import { CHECKPOINT_BUDGET, ReadMeter } from '../read_budget.ts';
import type { RowRange, TensorFile } from '../tensor_file.ts';
import { readHeader, type SafetensorsEntry } from './header.ts';

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
  try {
    new ReadMeter(CHECKPOINT_BUDGET).bytes(headerBytes, 'its header');
    const header = readHeader(await source.read(8, headerBytes), source.size - headerBytes - 8);
    const entries = new Map(
      [...header.entries].map(([name, e]) => [name, { ...e, offset: e.offset + 8 + headerBytes }]),
    );
    const file: SafetensorsFile = {
      source,
      entries,
      unreadable: header.unreadable,
      metadata: header.metadata,
      read: (name, rows) => readBytes(file, name, rows),
    };
    return file;
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    return fail(what.startsWith(source.name) ? what.slice(source.name.length + 2) : `${what}; ${AGAIN}`);
  }
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
  const odd = file.unreadable?.get(name);
  if (odd) {
    throw new Error(`${file.source.name}: ${odd.reason} (${printable(name)})`);
  }
  if (!entry) {
    throw new Error(
      `${file.source.name}: there is no tensor ${printable(name)}; the file has ${listed([...file.entries.keys()])}`,
    );
  }
  return entry;
}
