/** Rounds int8 weights as they are uploaded: each row, as the caller writes it, becomes int8 values with one scale. */
import { decodeF16, encodeF16 } from '../half.ts';
import type { InputSpec } from '../schedule/schedule.ts';
import type { TensorType } from '../types.ts';
import { at, bytesPerElement, sizeOf } from '../types.ts';
import { fromStoredLayout, type Piece, type StoredLayout, toStoredLayout } from './stored_layout.ts';

type Bytes = Uint8Array<ArrayBuffer>;

/** The largest magnitude of an int8 here: the same on both sides of zero. */
const LARGEST = 127;

/** Rows as int8 values, with a scale for each row. */
export interface RoundedRows {
  readonly values: Int8Array<ArrayBuffer>;
  /** The value of one unit, for each row: its largest magnitude / 127. NaN for a row that is not finite. */
  readonly scales: Float32Array<ArrayBuffer>;
}

/** Rounds rows of `inner` elements each to the nearest int8. */
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
      // f32 may hold the scale inexactly, and then ±128 may be the nearest.
      values[i] = Math.max(-LARGEST, Math.min(LARGEST, Math.round((x[i] ?? 0) / scale)));
    }
  }
  return { values, scales };
}

/** Returns the values of rounded rows, as the dequantized weight of type `dtype` holds them. */
export function dequantizeRows({ values, scales }: RoundedRows, dtype: TensorType['dtype']): Float32Array<ArrayBuffer> {
  const inner = values.length / scales.length;
  const x = Float32Array.from(values, (value, i) => value * at(scales, Math.floor(i / inner)));
  return dtype === 'f16' ? decodeF16(encodeF16(x)) : x;
}

/** An int8 weight in its buffer. */
type Int8Input = Required<Pick<InputSpec, 'type' | 'offset' | 'scales'>> & Pick<InputSpec, 'storedLayout'>;

/** Rounds the rows of one input as they arrive, in pieces of any length. It holds back the bytes of an incomplete row. */
export class RowRounding {
  readonly #to: Int8Input;
  #rest: { readonly from: number; readonly bytes: Bytes } = { from: 0, bytes: new Uint8Array() };

  constructor(to: Int8Input) {
    this.#to = to;
  }

  /**
   * Takes bytes of the input (f16 or f32, from its byte `offset` on) and returns the pieces to write into the buffer.
   * @throws Error when the pieces of a row do not come in order
   */
  take(bytes: Bytes, offset: number): Piece[] {
    const { type, storedLayout, offset: first, scales: firstScale } = this.#to;
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
    const pieces = toStoredLayout(type, storedLayout, new Uint8Array(values.buffer), row * inner, 1);
    return [
      ...pieces.map((piece) => ({ ...piece, offset: first + piece.offset })),
      { bytes: new Uint8Array(scales.buffer), offset: firstScale + row * 4 },
    ];
  }
}

/** Returns the values of an int8 weight in the order in which they were written, from the bytes in memory. */
export function readRows(
  type: TensorType,
  layout: StoredLayout,
  values: Bytes,
  scales: Bytes,
): Float32Array<ArrayBuffer> {
  const written = fromStoredLayout(type, layout, values, 1);
  const rows = { values: new Int8Array(written.buffer), scales: new Float32Array(scales.buffer) };
  return dequantizeRows(rows, type.dtype);
}

function joined(a: Bytes, b: Bytes): Bytes {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

const floats = (bytes: Bytes, { dtype }: TensorType): Float32Array =>
  dtype === 'f16' ? decodeF16(new Uint16Array(bytes.buffer)) : new Float32Array(bytes.buffer);
