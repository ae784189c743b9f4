/**
 * Single-precision arithmetic, bit for bit as x86 computes it: fused multiply-add, and the logarithm, sine and cosine
 * of Cephes (S. Moshier) as vector libraries evaluate them with FMA (Pommier's and Garberoglio's sse_mathfun/avx_mathfun).
 * Every operation is rounded to f32, so that the results do not depend on the JavaScript engine's own log, sin and cos.
 */

const f = Math.fround;
const double = new Float64Array(1);
const doubleBits = new Uint32Array(double.buffer);
const single = new Float32Array(1);
const singleBits = new Int32Array(single.buffer);

/** a·b + c, rounded once; a, b and c must be f32 values. */
export function fma(a: number, b: number, c: number): number {
  // 24 + 24 bits: exact in f64. The sum is not, and rounding it twice differs where f64 lands on a tie of f32.
  const product = a * b;
  const sum = product + c;
  double[0] = sum;
  if (((doubleBits[0] ?? 0) & 0x1fffffff) !== 0x10000000) {
    return f(sum);
  }
  const back = sum - product;
  const error = product - (sum - back) + (c - back);
  if (error === 0) {
    return f(sum);
  }
  // The f32 values on both sides of the tie: the exact sum is nearer to the one that the error points to.
  const near = f(sum);
  const gap = sum - near;
  return gap > 0 === error > 0 ? f(near + 2 * gap) : near;
}

const SQRT_HALF = f(Math.SQRT1_2);
const LOG_P = [
  7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
  2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
].map(f);
/** ln 2 in two parts, the first short enough for exact products with an exponent. */
const LN2_LOW = f(-2.1219444e-4);
const LN2_HIGH = 0.693359375;

/** Natural logarithm of a positive, normal f32. */
export function logF32(value: number): number {
  single[0] = value;
  const bits = singleBits[0] ?? 0;
  let exponent = (bits >>> 23) - 126;
  singleBits[0] = (bits & 0x7fffff) | 0x3f000000;
  const mantissa = single[0] ?? 0;
  let x = f(mantissa - 1);
  if (mantissa < SQRT_HALF) {
    exponent -= 1;
    x = f(x + mantissa);
  }
  const z = f(x * x);
  let y = LOG_P[0] ?? 0;
  for (let i = 1; i < LOG_P.length; i++) {
    y = fma(y, x, LOG_P[i] ?? 0);
  }
  y = fma(f(y * x), z, f(exponent * LN2_LOW));
  y = fma(z, -0.5, y);
  return fma(exponent, LN2_HIGH, f(x + y));
}

const FOUR_OVER_PI = f(4 / Math.PI);
/** π/4 in three parts, negative. */
const PI_PARTS = [-0.78515625, -2.4187564849853516e-4, -3.774894977445941e-8].map(f);
const SIN_P = [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1].map(f);
const COS_P = [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2].map(f);

/** [sine, cosine] of an f32 from 0 to 8192. */
export function sinCosF32(angle: number): [number, number] {
  // The nearest even multiple of π/4 is taken off; two polynomials for what is left.
  const octant = (Math.trunc(f(angle * FOUR_OVER_PI)) + 1) & ~1;
  const x = PI_PARTS.reduce((rest, part) => fma(octant, part, rest), angle);
  const z = f(x * x);
  const [c0 = 0, c1 = 0, c2 = 0] = COS_P;
  const [s0 = 0, s1 = 0, s2 = 0] = SIN_P;
  const cosine = f(fma(f(fma(fma(c0, z, c1), z, c2) * z), z, f(-0.5 * z)) + 1);
  const sine = fma(f(fma(fma(s0, z, s1), z, s2) * z), x, x);
  switch (octant & 6) {
    case 0:
      return [sine, cosine];
    case 2:
      return [cosine, -sine];
    case 4:
      return [-sine, -cosine];
    default:
      return [-cosine, sine];
  }
}
