/**
 * Reads the header of a safetensors file as the reference does (safetensors 0.8, src/tensor.rs), and refuses besides what readers
 * understand differently: a key twice, a header that does not begin with "{". Tensors fill the file: no hole, no overlap, no rest.
 */
import { at, sizeOf } from '../../../tensor/types.ts';
import { parseJson } from '../json.ts';
import { printable, shown } from '../messages.ts';
import { CHECKPOINT_BUDGET, ReadMeter } from '../read_budget.ts';
import { STORED_BYTES, type StoredDType } from '../stored_dtype.ts';
import type { TensorEntry, UnreadableTensor } from '../tensor_file.ts';

export interface SafetensorsEntry extends TensorEntry {
  /** Position in the file. */
  readonly offset: number;
  readonly bytes: number;
}

interface Header {
  /** Offsets count from the end of the header. */
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly unreadable: ReadonlyMap<string, UnreadableTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Bits of one value of the format's other types, which nothing here reads. */
const OTHER_BITS: Readonly<Record<string, number>> = {
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  C64: 64,
};

/**
 * @param bytes the header's JSON
 * @param dataBytes size of what follows it
 * @throws Error with what is wrong, as the end of a sentence about the file
 */
export function readHeader(bytes: Uint8Array, dataBytes: number): Header {
  if (bytes[0] !== 0x7b) {
    throw new Error('has a header that is not a JSON object');
  }
  const header = parsed(bytes);
  const meter = new ReadMeter(CHECKPOINT_BUDGET);
  const spans: Span[] = [];
  const entries = new Map<string, SafetensorsEntry>();
  const unreadable = new Map<string, UnreadableTensor>();
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') {
      continue;
    }
    meter.name(name.length);
    try {
      const entry = checkEntry(name, value, dataBytes, meter);
      spans.push(entry);
      if (isDType(entry.dtype)) {
        entries.set(name, { ...entry, dtype: entry.dtype });
      } else {
        const reason = `has a tensor of ${entry.dtype} of shape [${entry.shape.join(', ')}], which nothing here reads`;
        unreadable.set(name, { shape: entry.shape, reason });
      }
    } catch (error) {
      throw new Error(`tensor ${printable(name)} ${error instanceof Error ? error.message : error}`);
    }
  }
  checkCoverage(spans, dataBytes);
  return { entries, unreadable, metadata: metadataOf(header.__metadata__ ?? {}) };
}

function parsed(bytes: Uint8Array): Record<string, unknown> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const value = parseJson(text, 'header', CHECKPOINT_BUDGET, integerOf);
    return value as Record<string, unknown>;
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    throw new Error(
      `has a header that is not valid JSON (${printable(what.replace(/^header: (is not valid JSON: )?/, ''))})`,
    );
  }
}

/** Returns a literal's number, and the literal where it is an integer that is not written as one: 1.0, 1e0, -0. */
function integerOf(literal: string): number | string {
  const value = Number(literal);
  return Number.isInteger(value) && value >= 0 && !/^\d+$/.test(literal) ? literal : value;
}

function metadataOf(value: unknown): Record<string, string> {
  if (!isRecord(value) || !Object.values(value).every((text) => typeof text === 'string')) {
    throw new Error('has __metadata__ that is not an object of strings');
  }
  return value as Record<string, string>;
}

interface Span extends Omit<SafetensorsEntry, 'dtype'> {
  readonly dtype: string;
}

function checkEntry(name: string, value: unknown, dataBytes: number, meter: ReadMeter): Span {
  if (!isRecord(value)) {
    throw new Error('has a header entry that is not an object');
  }
  const { dtype, shape, data_offsets: offsets } = value;
  const bits = typeof dtype !== 'string' ? undefined : isDType(dtype) ? 8 * STORED_BYTES[dtype] : otherBits(dtype);
  if (typeof dtype !== 'string' || bits === undefined) {
    throw new Error(`has the unknown dtype ${shown(dtype)} (known are ${Object.keys(STORED_BYTES).join(', ')})`);
  }
  meter.rank(Array.isArray(shape) ? shape.length : 0);
  if (!isCounts(shape) || !Number.isSafeInteger(sizeOf(shape.filter((n) => n > 0)) * bits)) {
    throw new Error(`has the invalid shape ${shown(shape)}`);
  }
  if (!isCounts(offsets) || offsets.length !== 2 || at(offsets, 0) > at(offsets, 1)) {
    throw new Error(`has the invalid data_offsets ${shown(offsets)}`);
  }
  const bytes = at(offsets, 1) - at(offsets, 0);
  const needed = (sizeOf(shape) * bits) / 8;
  if (bytes !== needed) {
    throw new Error(`is ${dtype} [${shape.join(', ')}], which is ${needed} bytes, but its data_offsets span ${bytes}`);
  }
  if (at(offsets, 1) > dataBytes) {
    throw new Error(
      `ends at byte ${at(offsets, 1)}, after the end of the file (${dataBytes} bytes follow its header): it is truncated`,
    );
  }
  return { name, dtype, shape, offset: at(offsets, 0), bytes };
}

/** @throws Error where tensors overlap, or bytes belong to none */
function checkCoverage(spans: Span[], dataBytes: number): void {
  let end = 0;
  let before = '';
  for (const { name, offset, bytes } of spans.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes)) {
    if (offset < end) {
      throw new Error(`tensor ${printable(name)} overlaps tensor ${printable(before)}`);
    }
    if (offset > end) {
      throw new Error(`has ${offset - end} bytes before tensor ${printable(name)} that belong to no tensor`);
    }
    end = offset + bytes;
    before = name;
  }
  if (end !== dataBytes) {
    throw new Error(`has ${dataBytes - end} bytes after its last tensor that belong to no tensor`);
  }
}

function otherBits(dtype: string): number | undefined {
  return Object.hasOwn(OTHER_BITS, dtype) ? OTHER_BITS[dtype] : undefined;
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
