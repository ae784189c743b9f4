/** Data types of stored tensors, by the names that safetensors gives them, and their conversion to f32. */
import { decodeF16 } from '../../tensor/half.ts';

/** Size of one value, in bytes. */
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
export type StoredDType = keyof typeof STORED_BYTES;

/** Converts stored bytes to f32; f32 itself is not copied. The format is little-endian, as are all machines that run WebGPU. */
export function toFloats(bytes: Uint8Array<ArrayBuffer>, dtype: StoredDType): Float32Array<ArrayBuffer> {
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
      return Float32Array.from(new Uint8Array(buffer, byteOffset, count));
    case 'BOOL':
      return Float32Array.from(new Uint8Array(buffer, byteOffset, count), (byte) => (byte ? 1 : 0));
  }
}

/** bfloat16 is the upper half of an f32. */
function decodeBF16(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const out = new Uint32Array(bits.length);
  for (let i = 0; i < out.length; i++) {
    out[i] = (bits[i] ?? 0) << 16;
  }
  return new Float32Array(out.buffer);
}
