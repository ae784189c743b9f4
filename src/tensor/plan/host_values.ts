/** Converts numbers to the bytes of a tensor and back. */
import { decodeF16, encodeF16 } from '../half.ts';
import type { TensorType } from '../types.ts';
import { byteSize, showType, sizeOf } from '../types.ts';

/**
 * Returns the bytes of a tensor in whole words. It converts numbers to `type`, and takes a Uint8Array as raw bytes.
 * @throws Error when the length does not fit
 */
export function toBytes(name: string, type: TensorType, data: ArrayLike<number> | Uint8Array): Uint8Array<ArrayBuffer> {
  const size = sizeOf(type.shape);
  if (data instanceof Uint8Array) {
    const expected = byteSize(type);
    if (data.length > expected || data.length < expected - 2) {
      throw new Error(`${name} is ${showType(type)} (${expected} bytes) but was given ${data.length} bytes`);
    }
    const padded = new Uint8Array(expected);
    padded.set(data);
    return padded;
  }
  if (data.length !== size) {
    throw new Error(`${name} is ${showType(type)} (${size} elements) but was given ${data.length}`);
  }
  const padded = new Uint8Array(byteSize(type));
  const values =
    type.dtype === 'f16' ? encodeF16(data) : type.dtype === 'i32' ? Int32Array.from(data) : Float32Array.from(data);
  padded.set(new Uint8Array(values.buffer));
  return padded;
}

/** Returns the values of a tensor as f32; i32 is exact up to 2^24. */
export function fromBytes(type: TensorType, bytes: ArrayBuffer): Float32Array<ArrayBuffer> {
  const size = sizeOf(type.shape);
  if (type.dtype === 'f16') {
    return decodeF16(new Uint16Array(bytes, 0, size));
  }
  return type.dtype === 'i32' ? Float32Array.from(new Int32Array(bytes, 0, size)) : new Float32Array(bytes, 0, size);
}

/** Pads bytes to whole words, for an odd number of f16 values. */
export function wholeWords(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (bytes.length % 4 === 0) {
    return bytes;
  }
  const padded = new Uint8Array(bytes.length + 4 - (bytes.length % 4));
  padded.set(bytes);
  return padded;
}
