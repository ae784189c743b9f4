/**
 * Reads the directory of a zip archive, ZIP64 included, by ranges. Members must be uncompressed, as `torch.save` writes them.
 * Zip files can say one thing in their directory and another in front of each member; here both must agree, no name may stand
 * twice, and nothing may follow the end record, so that every reader finds the same bytes.
 * Format: PKWARE APPNOTE.TXT 6.3.10, sections 4.3.6 to 4.3.16.
 */
import { at } from '../../../tensor/types.ts';
import type { ByteSource } from '../byte_source.ts';
import { printable } from '../messages.ts';
import type { ReadMeter } from '../read_budget.ts';

export interface ZipEntry {
  readonly name: string;
  readonly size: number;
  readonly flags: number;
  /** CRC-32 of the member's bytes. Only small members are checked: a tensor is read in parts, or not at all. */
  readonly crc: number;
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
/** Bit of a member's flags: its sizes follow its bytes, and are 0 in front of them. */
const SIZES_FOLLOW = 8;
/** Bit of a member's attributes of DOS: it is a folder. */
const FOLDER = 0x10;
/** Bits of a member's flags that nothing here reads: encryption. */
const ENCRYPTED = 0x2041;

/** Returns the archive's members by name, in the directory's order. @throws Error with what is wrong, as the end of a sentence about the file */
export async function readZip(source: ByteSource, meter: ReadMeter): Promise<Map<string, ZipEntry>> {
  const { start, bytes, count, end } = await findDirectory(source);
  meter.bytes(bytes, 'its zip directory');
  if (start + bytes !== end) {
    throw new Error(
      `has a zip directory of ${bytes} bytes at byte ${start}, which should end at byte ${end}: it is truncated, or was changed`,
    );
  }
  const view = viewOf(await source.read(start, bytes));
  const entries = new Map<string, ZipEntry>();
  /** Names as PyTorch compares them: without regard to case. */
  const names = new Set<string>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    meter.objects(8);
    if (at + 46 > bytes || view.getUint32(at, true) !== CENTRAL) {
      throw new Error('has a zip directory that is broken');
    }
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((o) => view.getUint16(at + o, true)) as [
      number,
      number,
      number,
    ];
    const next = at + 46 + nameBytes + extraBytes + commentBytes;
    if (next > bytes) {
      throw new Error('has a zip directory that is broken');
    }
    meter.name(nameBytes);
    const name = nameOf(new Uint8Array(view.buffer, view.byteOffset + at + 46, nameBytes));
    const extra = new DataView(view.buffer, view.byteOffset + at + 46 + nameBytes, extraBytes);
    const [packed = 0, size = 0, header = 0] = wideValues(
      extra,
      [20, 24, 42].map((o) => view.getUint32(at + o, true)),
    );
    const flags = view.getUint16(at + 8, true);
    if (view.getUint16(at + 10, true) !== 0 || packed !== size || (flags & ENCRYPTED) !== 0) {
      throw new Error(
        `has the compressed or encrypted member ${printable(name)}, which torch.save does not write; save it again`,
      );
    }
    if (!(header + LOCAL_BYTES + nameBytes + size <= start) || view.getUint16(at + 34, true) !== 0) {
      throw new Error(`is truncated: its member ${printable(name)} of ${size} bytes would begin at byte ${header}`);
    }
    if ((view.getUint32(at + 38, true) & FOLDER) !== 0) {
      // PyTorch 2.13 takes such a member, and gives memory that it never filled as its bytes.
      throw new Error(`has the member ${printable(name)} marked as a folder, which has no bytes; save it again`);
    }
    if (names.has(name.toLowerCase())) {
      throw new Error(`has two members named ${printable(name)}, and readers differ in which they take`);
    }
    names.add(name.toLowerCase());
    entries.set(name, { name, size, header, flags, crc: view.getUint32(at + 16, true) });
    at = next;
  }
  if (at !== bytes) {
    throw new Error('has a zip directory that is broken');
  }
  return entries;
}

/**
 * Returns the position of a member's bytes.
 * @throws Error with what is wrong, as the end of a sentence about the file: what stands before the bytes is not as in the directory
 */
export async function startOf(source: ByteSource, entry: ZipEntry): Promise<number> {
  const expected = new TextEncoder().encode(entry.name);
  const local = viewOf(await source.read(entry.header, LOCAL_BYTES + expected.length));
  // The local header has extra fields of its own: torch aligns the data by padding them.
  const start = entry.header + LOCAL_BYTES + expected.length + local.getUint16(28, true);
  const [packed, size] = [local.getUint32(18, true), local.getUint32(22, true)];
  const sizes = packed === size && [entry.size, 0xffffffff].includes(size) && local.getUint32(14, true) === entry.crc;
  const agrees =
    local.getUint32(0, true) === LOCAL &&
    local.getUint16(6, true) === entry.flags &&
    local.getUint16(8, true) === 0 &&
    local.getUint16(26, true) === expected.length &&
    expected.every((byte, i) => local.getUint8(LOCAL_BYTES + i) === byte) &&
    (sizes || (entry.flags & SIZES_FOLLOW) !== 0);
  if (!agrees || start + entry.size > source.size) {
    throw new Error(`has no member ${printable(entry.name)} where its zip directory says, or another one`);
  }
  return start;
}

/** Reads a small member whole. @throws Error with what is wrong, as the end of a sentence about the file: its CRC-32 is another */
export async function readMember(source: ByteSource, entry: ZipEntry): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await source.read(await startOf(source, entry), entry.size);
  if (crc32(bytes) !== entry.crc) {
    throw new Error(`has damaged bytes in ${printable(entry.name)} (another CRC-32 than it says); download it again`);
  }
  return bytes;
}

/** Returns whether the end record at `at` is of an archive in one part: no disk number, and all members on this disk. */
function isWhole(tail: DataView, at: number): boolean {
  return tail.getUint32(at + 4, true) === 0 && tail.getUint16(at + 8, true) === tail.getUint16(at + 10, true);
}

function nameOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Error('has a member whose name is not UTF-8');
  }
}

interface Directory {
  readonly start: number;
  readonly bytes: number;
  readonly count: number;
  /** Position of what follows the directory. */
  readonly end: number;
}

async function findDirectory(source: ByteSource): Promise<Directory> {
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
  if (at + 22 + tail.getUint16(at + 20, true) !== tailBytes || !isWhole(tail, at)) {
    throw new Error('has bytes after its end, or is a part of a larger archive; download it again');
  }
  const found = {
    count: tail.getUint16(at + 10, true),
    bytes: tail.getUint32(at + 12, true),
    start: tail.getUint32(at + 16, true),
    end: tailStart + at,
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
  const parts =
    [16, 20].some((o) => end.getUint32(o, true) !== 0) || end.getBigUint64(24, true) !== end.getBigUint64(32, true);
  if (end.getUint32(0, true) !== END_64 || parts) {
    throw new Error('has no ZIP64 record of a whole archive where it says');
  }
  const [count, bytes, start] = [32, 40, 48].map((o) => safe(end.getBigUint64(o, true))) as [number, number, number];
  return { count, bytes, start, end: record };
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

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) {
    crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return crc;
});

/** The checksum of a zip member, CRC-32 of PKWARE's APPNOTE.TXT. Node has its own only since 20.15. @param before that of the bytes before these */
export function crc32(bytes: Uint8Array, before = 0): number {
  let crc = ~before >>> 0;
  // A loop by index takes a fifth of the time of one by iterator.
  for (let i = 0; i < bytes.length; i++) {
    crc = (crc >>> 8) ^ at(CRC_TABLE, (crc ^ at(bytes, i)) & 0xff);
  }
  return ~crc >>> 0;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
