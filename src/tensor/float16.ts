/** Conversions between f32 and the 16-bit formats, in bulk. JavaScript of Node 20 has no Float16Array. */

const word = new DataView(new ArrayBuffer(4));

/** One IEEE binary16 value, as a number. */
export function fromHalf(h: number): number {
  const sign = h & 0x8000 ? -1 : 1;
  const exponent = (h >> 10) & 0x1f;
  const mantissa = h & 0x3ff;
  if (exponent === 0) {
    return sign * mantissa * 2 ** -24;
  }
  if (exponent === 31) {
    return mantissa === 0 ? sign * Infinity : NaN;
  }
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

/** The nearest IEEE binary16 value (ties to even), as its bits; too large becomes infinity. */
export function toHalf(value: number): number {
  word.setFloat32(0, value);
  const bits = word.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) {
    return sign | 0x7e00;
  }
  if (magnitude >= 0x477ff000) {
    return sign | 0x7c00;
  }
  if (magnitude < 0x38800000) {
    // Subnormal: a multiple of 2^-24. Adding 0.5 aligns the last bit of the f32 with it, rounding to even.
    word.setUint32(0, magnitude);
    word.setFloat32(0, word.getFloat32(0) + 0.5);
    return sign | (word.getUint32(0) - 0x3f000000);
  }
  const odd = (magnitude >>> 13) & 1;
  return sign | ((magnitude - 0x38000000 + 0xfff + odd) >>> 13);
}

export function halvesToFloats(halves: Uint16Array): Float32Array<ArrayBuffer> {
  return Float32Array.from(halves, fromHalf);
}

export function floatsToHalves(values: ArrayLike<number>): Uint16Array<ArrayBuffer> {
  return Uint16Array.from(values, toHalf);
}

/** bfloat16 is the upper half of an f32. */
export function bfloatsToFloats(bfloats: Uint16Array): Float32Array<ArrayBuffer> {
  return new Float32Array(Uint32Array.from(bfloats, (b) => b << 16).buffer);
}
