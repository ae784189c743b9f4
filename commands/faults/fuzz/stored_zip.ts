/** Writes zip archives of uncompressed members, right or wrong in one place, and takes right ones apart. */
import { crc32 } from '../../../src/models/checkpoint/pickle/zip.ts';
import type { Random } from './random.ts';

export interface Member {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Returns an archive. With `random`, one field of one header may be another number. */
export function zipOf(members: readonly Member[], random?: Random): Uint8Array {
  const wrong = random ? { member: random(members.length), field: random(16), by: 1 + random(9) } : undefined;
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const [i, { name, bytes }] of members.entries()) {
    const nameBytes = new TextEncoder().encode(name);
    const value = (field: number, right: number): number =>
      wrong?.member === i && wrong.field === field ? right + wrong.by : right;
    const sum = crc32(bytes);
    const local = new DataView(new ArrayBuffer(30));
    local.setUint32(0, 0x04034b50, true);
    local.setUint16(6, value(0, 0), true);
    local.setUint16(8, value(1, 0), true);
    local.setUint32(14, value(2, sum), true);
    local.setUint32(18, value(3, bytes.length), true);
    local.setUint32(22, value(4, bytes.length), true);
    local.setUint16(26, value(5, nameBytes.length), true);
    local.setUint16(28, value(6, 0), true);
    const central = new DataView(new ArrayBuffer(46));
    central.setUint32(0, 0x02014b50, true);
    central.setUint16(8, value(7, 0), true);
    central.setUint16(10, value(8, 0), true);
    central.setUint32(16, value(9, sum), true);
    central.setUint32(20, value(10, bytes.length), true);
    central.setUint32(24, value(11, bytes.length), true);
    central.setUint16(28, nameBytes.length, true);
    central.setUint16(34, value(12, 0), true);
    central.setUint32(42, value(13, offset), true);
    parts.push(bytesOf(local), nameBytes, bytes);
    directory.push(bytesOf(central), nameBytes);
    offset += 30 + nameBytes.length + bytes.length;
  }
  const size = directory.reduce((n, part) => n + part.length, 0);
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x06054b50, true);
  end.setUint16(8, members.length, true);
  end.setUint16(10, members.length + (wrong?.field === 14 ? 1 : 0), true);
  end.setUint32(12, size + (wrong?.field === 15 ? wrong.by : 0), true);
  end.setUint32(16, offset, true);
  return joined([...parts, ...directory, bytesOf(end)]);
}

/** Returns the members of an archive that torch.save wrote; none where it is no such archive, or a broken one. */
export function membersOf(zip: Uint8Array): Member[] {
  try {
    return membersWithin(zip);
  } catch (error) {
    if (error instanceof RangeError) {
      return [];
    }
    throw error;
  }
}

function membersWithin(zip: Uint8Array): Member[] {
  const view = new DataView(zip.buffer, zip.byteOffset, zip.byteLength);
  const end = zip.length - 22;
  if (end < 0 || view.getUint32(end, true) !== 0x06054b50) {
    return [];
  }
  const members: Member[] = [];
  let at = view.getUint32(end + 16, true);
  for (let i = view.getUint16(end + 10, true); i > 0; i--) {
    const [size, name, header] = [
      view.getUint32(at + 24, true),
      view.getUint16(at + 28, true),
      view.getUint32(at + 42, true),
    ];
    if (size === 0xffffffff || header === 0xffffffff) {
      return [];
    }
    const start = header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true);
    members.push({
      name: new TextDecoder().decode(zip.subarray(at + 46, at + 46 + name)),
      bytes: zip.subarray(start, start + size),
    });
    at += 46 + name + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return members;
}

/** The bytes of text whose characters are all below 256. */
export const bytesOfText = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer);
}
