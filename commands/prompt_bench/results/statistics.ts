/** Means with bootstrap intervals (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3: percentiles). */
import { uniform } from '../../../src/kernels/check/case_values.ts';

export interface Estimate {
  readonly mean: number;
  /** The bounds of the 95 % interval. */
  readonly low: number;
  readonly high: number;
}

const RESAMPLES = 2000;

/**
 * Returns the mean of groups' means and its 95 % interval. Values of one prompt (its seeds) are one group, because they are not
 * independent: groups are drawn, not values. The same values give the same interval.
 * @param groups at least one, none empty
 */
export function estimate(groups: readonly (readonly number[])[]): Estimate {
  const means = groups.map((values) => meanOf(values));
  const next = uniform(means.length);
  const resampled = Array.from({ length: RESAMPLES }, () =>
    meanOf(means.map(() => means[Math.floor(next() * means.length)] ?? 0)),
  ).sort((a, b) => a - b);
  const quantile = (q: number): number => resampled[Math.min(RESAMPLES - 1, Math.floor(q * RESAMPLES))] ?? 0;
  return { mean: meanOf(means), low: quantile(0.025), high: quantile(0.975) };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
