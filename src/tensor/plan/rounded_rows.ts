/** Weights of 8 bits on their way into a plan: each row, as it is written, is rounded to int8 with one scale of its own. */
import { decodeF16, encodeF16 } from '../half.ts';
import { asWritten, heldPieces } from '../schedule/held.ts';
import type { TensorType } from '../types.ts';
import { at, bytesPerElement, sizeOf } from '../types.ts';

type Bytes = Uint8Array<ArrayBuffer>;
type Held = readonly number[] | undefined;

/** The largest magnitude of an int8 here: the same on both sides of zero. */
const LARGEST = 127;

export interface RoundedRows {
  readonly values: Int8Array<ArrayBuffer>;
  /** What one unit of each row stands for: its largest magnitude / 127. NaN for a row that is not finite. */
  readonly scales: Float32Array<ArrayBuffer>;
}

/** Rows of `inner` elements each, rounded to the nearest. */
export function roundRows(x: Float32Array, inner: number): RoundedRows {
  const values = new Int8Array(x.length);
  const scales = new Float32Array(x.length / inner);
  for (let row = 0; row < scales.length; row++) {
    let largest = 0;
    for (let i = row * inner; i < (row + 1) * inner; i++) {
      largest = Math.max(largest, Math.abs(x[i] ?? 0));
    }
    scales[row] = Number.isFinite(largest) ? largest / LARGEST : Number.NaN;
    const scale = scales[row] ?? 0;
    for (let i = row * inner; i < (row + 1) * inner && scale > 0; i++) {
      // Of a scale that f32 cannot hold exactly, 128 units may be the nearest.
      values[i] = Math.max(-LARGEST, Math.min(LARGEST, Math.round((x[i] ?? 0) / scale)));
    }
  }
  return { values, scales };
}

/** What the rows stand for, as the expanded weight of that type holds it. */
export function expandRows({ values, scales }: RoundedRows, dtype: TensorType['dtype']): Float32Array<ArrayBuffer> {
  const inner = values.length / scales.length;
  const x = Float32Array.from(values, (value, i) => value * at(scales, Math.floor(i / inner)));
  return dtype === 'f16' ? decodeF16(encodeF16(x)) : x;
}

/** Where an input of 8 bits lies: its values from byte `offset` of its buffer on, its scales from byte `scales` on. */
interface Place {
  readonly type: TensorType;
  readonly held?: readonly number[];
  readonly offset: number;
  readonly scales: number;
}

/** Rounds the rows of one input as they arrive, in pieces of any length, and keeps what is not yet a whole row. */
export class RowRounding {
  readonly #to: Place;
  #rest: { readonly from: number; readonly bytes: Bytes } = { from: 0, bytes: new Uint8Array() };

  constructor(to: Place) {
    this.#to = to;
  }

  /**
   * What is to be written for `bytes` (f16 or f32, from byte `offset` of the input on), with its place in the buffer.
   * @throws Error when a row's pieces do not come in order
   */
  take(bytes: Bytes, offset: number): { bytes: Bytes; offset: number }[] {
    const { type, held, offset: first, scales: firstScale } = this.#to;
    const inner = sizeOf(type.shape) / at(type.shape, 0);
    const rowBytes = inner * bytesPerElement(type.dtype);
    const { from, bytes: rest } = this.#rest;
    const begun = rest.length > 0;
    if (begun ? offset !== from + rest.length : offset % rowBytes !== 0) {
      throw new Error('a weight of 8 bits is written in whole rows, or in pieces of them one after another');
    }
    const all = begun ? joined(rest, bytes) : bytes;
    const start = begun ? from : offset;
    const whole = all.length - (all.length % rowBytes);
    this.#rest = { from: start + whole, bytes: all.slice(whole) };
    if (whole === 0) {
      return [];
    }
    const { values, scales } = roundRows(floats(all.slice(0, whole), type), inner);
    const row = start / rowBytes;
    const pieces = heldPieces(type, held, new Uint8Array(values.buffer), row * inner, 1);
    return [
      ...pieces.map((piece) => ({ ...piece, offset: first + piece.offset })),
      { bytes: new Uint8Array(scales.buffer), offset: firstScale + row * 4 },
    ];
  }
}

/** The values of an input of 8 bits, as they were written, from what lies in memory. */
export function readRows(type: TensorType, held: Held, values: Bytes, scales: Bytes): Float32Array<ArrayBuffer> {
  const written = asWritten(type, held, values, 1);
  const rows = { values: new Int8Array(written.buffer), scales: new Float32Array(scales.buffer) };
  return expandRows(rows, type.dtype);
}

function joined(a: Bytes, b: Bytes): Bytes {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

const floats = (bytes: Bytes, { dtype }: TensorType): Float32Array =>
  dtype === 'f16' ? decodeF16(new Uint16Array(bytes.buffer)) : new Float32Array(bytes.buffer);
