/** Conversions between f32 and IEEE binary16 on the host (Node 20 has no Float16Array). */

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** Rounds to nearest even, as the GPU's conversion does. Overflow becomes ±Infinity. */
export function f32ToF16Bits(value: number): number {
  scratch[0] = value;
  return roundedBits(scratchBits[0] ?? 0);
}

/** Bits of an f32 → bits of the nearest f16. */
function roundedBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const mantissa = bits & 0x7fffff;
  if (exponent === 0xff) {
    return sign | 0x7c00 | (mantissa ? 0x200 : 0);
  }
  const e = exponent - 112;
  if (e >= 31) {
    return sign | 0x7c00;
  }
  if (e <= 0) {
    if (e < -10) {
      return sign;
    }
    const full = mantissa | 0x800000;
    return sign | roundShift(full, 14 - e);
  }
  return sign | ((e << 10) + roundShift(mantissa, 13));
}

function roundShift(value: number, shift: number): number {
  const floor = value >>> shift;
  const rest = value & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return floor + (rest > half || (rest === half && (floor & 1) === 1) ? 1 : 0);
}

export function f16BitsToF32(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 31;
  const mantissa = bits & 0x3ff;
  if (exponent === 0) {
    return sign * mantissa * 2 ** -24;
  }
  if (exponent === 31) {
    return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  }
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

export function encodeF16(values: ArrayLike<number>): Uint16Array<ArrayBuffer> {
  const out = new Uint16Array(values.length);
  if (values instanceof Float32Array) {
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
    for (let i = 0; i < out.length; i++) {
      out[i] = roundedBits(bits[i] ?? 0);
    }
    return out;
  }
  for (let i = 0; i < out.length; i++) {
    out[i] = f32ToF16Bits(values[i] ?? 0);
  }
  return out;
}

/** Every f16 there is, made when the first is asked for: weights have billions. */
let allF16: Float32Array | null = null;

export function decodeF16(bits: Uint16Array): Float32Array<ArrayBuffer> {
  allF16 ??= Float32Array.from({ length: 0x10000 }, (_, half) => f16BitsToF32(half));
  const out = new Float32Array(bits.length);
  for (let i = 0; i < out.length; i++) {
    out[i] = allF16[bits[i] ?? 0] ?? 0;
  }
  return out;
}
