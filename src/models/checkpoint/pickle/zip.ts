/**
 * Reads the directory of a zip archive, ZIP64 included, by ranges. Members must be uncompressed, as `torch.save` writes them.
 * Format: PKWARE APPNOTE.TXT 6.3.10, sections 4.3.6 to 4.3.16.
 */
import type { ByteSource } from '../byte_source.ts';
import { printable } from '../messages.ts';

interface ZipEntry {
  readonly name: string;
  readonly size: number;
  /** Position of the member's local header, which stands before its bytes. */
  readonly header: number;
}

const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const LOCAL_BYTES = 30;
/** Size of the end record with the longest comment, and the ZIP64 locator before it. */
const TAIL = 22 + 0xffff + 20;
/** Largest directory that is read into memory, in bytes; no checkpoint's is near it. */
const MAX_DIRECTORY = 64 * 2 ** 20;

/** Returns the archive's members by name. @throws Error with what is wrong, as the end of a sentence about the file */
export async function readZip(source: ByteSource): Promise<Map<string, ZipEntry>> {
  const { start, bytes, count } = await findDirectory(source);
  if (bytes > MAX_DIRECTORY || start + bytes > source.size) {
    throw new Error(
      `has a zip directory of ${bytes} bytes at byte ${start}, which cannot be: the file has ${source.size}`,
    );
  }
  const view = viewOf(await source.read(start, bytes));
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > bytes || view.getUint32(at, true) !== CENTRAL) {
      throw new Error('has a zip directory that is broken');
    }
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((o) => view.getUint16(at + o, true)) as [
      number,
      number,
      number,
    ];
    const end = at + 46 + nameBytes + extraBytes + commentBytes;
    if (end > bytes) {
      throw new Error('has a zip directory that is broken');
    }
    const name = new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at + 46, nameBytes));
    const extra = new DataView(view.buffer, view.byteOffset + at + 46 + nameBytes, extraBytes);
    const [packed = 0, size = 0, header = 0] = wideValues(
      extra,
      [20, 24, 42].map((o) => view.getUint32(at + o, true)),
    );
    if (view.getUint16(at + 10, true) !== 0 || packed !== size || (view.getUint16(at + 8, true) & 1) !== 0) {
      throw new Error(
        `has the compressed or encrypted member ${printable(name)}, which torch.save does not write; save it again`,
      );
    }
    if (!(header + LOCAL_BYTES + nameBytes + size <= start)) {
      throw new Error(`is truncated: its member ${printable(name)} of ${size} bytes would begin at byte ${header}`);
    }
    entries.set(name, { name, size, header });
    at = end;
  }
  return entries;
}

/** Returns the position of a member's bytes. @throws Error with what is wrong, as the end of a sentence about the file */
export async function startOf(source: ByteSource, entry: ZipEntry): Promise<number> {
  const local = viewOf(await source.read(entry.header, LOCAL_BYTES));
  // The local header has extra fields of its own: torch aligns the data by padding them.
  const start = entry.header + LOCAL_BYTES + local.getUint16(26, true) + local.getUint16(28, true);
  if (local.getUint32(0, true) !== LOCAL || start + entry.size > source.size) {
    throw new Error(`has no member ${printable(entry.name)} where its zip directory says`);
  }
  return start;
}

async function findDirectory(source: ByteSource): Promise<{ start: number; bytes: number; count: number }> {
  const tailBytes = Math.min(source.size, TAIL);
  const tailStart = source.size - tailBytes;
  const tail = viewOf(await source.read(tailStart, tailBytes));
  let at = tailBytes - 22;
  while (at >= 0 && tail.getUint32(at, true) !== END) {
    at--;
  }
  if (at < 0) {
    throw new Error('is a zip archive without an end: it is truncated');
  }
  const found = {
    count: tail.getUint16(at + 10, true),
    bytes: tail.getUint32(at + 12, true),
    start: tail.getUint32(at + 16, true),
  };
  const locator = at - 20;
  if (locator < 0 || tail.getUint32(locator, true) !== LOCATOR_64) {
    return found;
  }
  const record = safe(tail.getBigUint64(locator + 8, true));
  if (record + 56 > source.size) {
    throw new Error('has a ZIP64 record beyond its end: it is truncated');
  }
  const end = viewOf(await source.read(record, 56));
  if (end.getUint32(0, true) !== END_64) {
    throw new Error('has no ZIP64 record where it says');
  }
  const [count, bytes, start] = [32, 40, 48].map((o) => safe(end.getBigUint64(o, true))) as [number, number, number];
  return { count, bytes, start };
}

/** Returns sizes and offset. The ZIP64 field holds, in order, those that do not fit 32 bits. */
function wideValues(extra: DataView, values: readonly number[]): number[] {
  for (let at = 0; at + 4 <= extra.byteLength; at += 4 + extra.getUint16(at + 2, true)) {
    if (extra.getUint16(at, true) === 1) {
      // In the directory the unpacked size comes first in this field, the packed one second.
      const [packed = 0, size = 0, header = 0] = values;
      let next = at + 4;
      const take = (value: number): number => {
        if (value !== 0xffffffff) {
          return value;
        }
        next += 8;
        if (next > extra.byteLength) {
          throw new Error('has a zip directory that is broken');
        }
        return safe(extra.getBigUint64(next - 8, true));
      };
      const wideSize = take(size);
      return [take(packed), wideSize, take(header)];
    }
  }
  return [...values];
}

/** Converts to a number; values beyond 2^53 become 2^53 - 1, which is beyond any file's end. */
function safe(value: bigint): number {
  return Number(value > BigInt(Number.MAX_SAFE_INTEGER) ? BigInt(Number.MAX_SAFE_INTEGER) : value);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
