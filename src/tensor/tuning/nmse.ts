/**
 * The normalised mean squared error: Σ(a−b)² / Σb²; NaN anywhere gives NaN.
 * @param floor least root mean square to divide by, for values that are zero in theory and rounding in practice
 */
export function nmse(actual: ArrayLike<number>, expected: ArrayLike<number>, floor = 0): number {
  let error = 0;
  let power = 0;
  for (let i = 0; i < expected.length; i++) {
    const e = expected[i] ?? Number.NaN;
    error += ((actual[i] ?? Number.NaN) - e) ** 2;
    power += e * e;
  }
  return error === 0 ? 0 : error / Math.max(power, expected.length * floor ** 2, 1e-30);
}
