/** Functions that several kernels need: as WGSL over T (f32 or vec4<f32>), and in f64 for references. */

/** sigmoid(x). exp overflows to infinity for x < -88, which gives the right 0. */
export const SIGMOID = `
fn sigmoid(x: T) -> T { return 1.0 / (1.0 + exp(-x)); }
`;

/** silu(x) = x sigmoid(x) and its derivative. Needs SIGMOID. */
export const SILU = `
fn silu(x: T) -> T { return x * sigmoid(x); }
fn silu_slope(x: T) -> T { let s = sigmoid(x); return s * (1.0 + x * (1.0 - s)); }
`;

/** GELU x Φ(x) and its derivative Φ(x) + x φ(x). erf: Abramowitz and Stegun 7.1.26, absolute error 1.5e-7. */
export const GELU = `
fn erf(x: T) -> T {
  let t = 1.0 / (1.0 + 0.3275911 * abs(x));
  let p = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return sign(x) * (1.0 - p * exp(-x * x));
}
fn gelu(x: T) -> T { return 0.5 * x * (1.0 + erf(0.70710678118654752 * x)); }
fn gelu_slope(x: T) -> T {
  return 0.5 * (1.0 + erf(0.70710678118654752 * x)) + 0.39894228040143268 * x * exp(-0.5 * x * x);
}
`;

/** tanh that neither overflows nor cancels: a power series near 0, (1 - e)/(1 + e) with e = exp(-2|x|) elsewhere. */
export const TANH = `
fn tanh_(x: T) -> T {
  let e = exp(-2.0 * abs(x));
  let q = x * x;
  let near = x * (1.0 + q * (-0.33333333333 + q * (0.13333333333 + q * (-0.05396825397 + q * 0.02186948854))));
  return select(sign(x) * (1.0 - e) / (1.0 + e), near, abs(x) < T(0.25));
}
`;

/** Some finite value below every score: WGSL has no infinity. */
export const LOWEST = `
const LOWEST: f32 = -3.4028234e38;
`;

export const sigmoidOf = (x: number): number => 1 / (1 + Math.exp(-x));
export const siluOf = (x: number): number => x * sigmoidOf(x);
export const siluSlopeOf = (x: number): number => sigmoidOf(x) * (1 + x * (1 - sigmoidOf(x)));
export const geluOf = (x: number): number => 0.5 * x * (1 + erfOf(x * Math.SQRT1_2));
export const geluSlopeOf = (x: number): number =>
  0.5 * (1 + erfOf(x * Math.SQRT1_2)) + (x * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI);

/** erf in f64: the series (2/√π) e^(-x²) Σ 2ⁿ x^(2n+1) / (2n+1)!!, all terms of one sign, so nothing cancels. */
function erfOf(x: number): number {
  if (Math.abs(x) > 6) {
    return Math.sign(x);
  }
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}
