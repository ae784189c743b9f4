/**
 * Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011)
 * and normals from it by Box–Muller. A value depends on (seed, stream, position) alone: no state, no order of calls.
 */

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
/** Weyl increments of the two key words: the golden ratio and √3 − 1, in 32 bits. */
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

export type Counter = readonly [number, number, number, number];
export type Key = readonly [number, number];

/** High word of the 64-bit product of two u32 (`Math.imul` gives the low one). */
function mulHigh(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const low = a0 * b0;
  const mid = a1 * b0 + (low >>> 16);
  const cross = a0 * b1 + (mid & 0xffff);
  return a1 * b1 + Math.floor(mid / 0x10000) + (cross >>> 16);
}

/** Ten rounds of Philox4x32: four u32 from a 128-bit counter and a 64-bit key. */
export function philox4x32(counter: Counter, key: Key): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(M0, c0);
    const low0 = Math.imul(M0, c0) >>> 0;
    const high1 = mulHigh(M1, c2);
    const low1 = Math.imul(M1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** (0, 1), never its ends, so that its logarithm is finite. */
const unit = (word: number): number => (word + 0.5) / 0x100000000;

/**
 * `count` independent standard normals, f32. The same (seed, stream) always begins with the same values, whatever `count`.
 * V8 and SpiderMonkey compute log, sin and cos by the same algorithm (fdlibm); elsewhere a last bit may differ.
 * @param seed a whole number from 0 to 2^53 − 1
 * @param stream which sequence of this seed, for independent draws
 * @throws RangeError for a seed or stream that is no such number
 */
export function normals(count: number, seed: number, stream = 0): Float32Array<ArrayBuffer> {
  for (const [name, value] of Object.entries({ seed, stream })) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(`the ${name} must be a whole number from 0 to 2^53 - 1, not ${value}`);
    }
  }
  const words = (n: number): Key => [n % 0x100000000, Math.floor(n / 0x100000000)];
  const key = words(seed);
  const [s0, s1] = words(stream);
  const out = new Float32Array(count);
  for (let block = 0; block * 4 < count; block++) {
    const [a, b, c, d] = philox4x32([block, 0, s0, s1], key);
    const four = [...boxMuller(a, b), ...boxMuller(c, d)];
    out.set(four.slice(0, Math.min(4, count - block * 4)), block * 4);
  }
  return out;
}

function boxMuller(a: number, b: number): [number, number] {
  const radius = Math.sqrt(-2 * Math.log(unit(a)));
  const angle = 2 * Math.PI * unit(b);
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}
