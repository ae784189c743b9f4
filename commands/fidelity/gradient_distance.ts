/** How far values are from those they stand for. */

export interface Distance {
  readonly cosine: number;
  /** Their 2-norm over that of the others. */
  readonly normRatio: number;
  /** Σ(a−b)² / Σb² */
  readonly nmse: number;
  /** Share of values that are zero where the others are not. */
  readonly zeros: number;
  readonly nonFinite: number;
}

/** @throws Error when there are not as many of one as of the other */
export function compare(values: ArrayLike<number>, exact: ArrayLike<number>): Distance {
  if (values.length !== exact.length || exact.length === 0) {
    throw new Error(`${values.length} values cannot be compared with ${exact.length}`);
  }
  const sums = { ab: 0, aa: 0, bb: 0, error: 0, zeros: 0, nonFinite: 0 };
  for (let i = 0; i < exact.length; i++) {
    const [a, b] = [values[i] ?? Number.NaN, exact[i] ?? Number.NaN];
    sums.ab += a * b;
    sums.aa += a * a;
    sums.bb += b * b;
    sums.error += (a - b) ** 2;
    sums.zeros += a === 0 && b !== 0 ? 1 : 0;
    sums.nonFinite += Number.isFinite(a) ? 0 : 1;
  }
  return {
    cosine: sums.ab / Math.sqrt(sums.aa * sums.bb),
    normRatio: Math.sqrt(sums.aa / sums.bb),
    nmse: sums.error / sums.bb,
    zeros: sums.zeros / exact.length,
    nonFinite: sums.nonFinite / exact.length,
  };
}

/** Returns the worst value of each measure; NaN is worse than any. */
export const worst = (distances: readonly Distance[]): Distance => picked(distances, (sorted) => sorted.length - 1);

/** Returns the median of each measure (the worse of the two middle values). */
export const middle = (distances: readonly Distance[]): Distance => picked(distances, (sorted) => sorted.length >> 1);

function picked(distances: readonly Distance[], which: (sorted: readonly number[]) => number): Distance {
  const pick = (of: (d: Distance) => number, good: number): number => {
    const wrong = (x: number): number => (Number.isNaN(x) ? Number.POSITIVE_INFINITY : Math.abs(x - good));
    const sorted = distances.map(of).sort((a, b) => (wrong(a) === wrong(b) ? 0 : wrong(a) - wrong(b)));
    return sorted[which(sorted)] ?? Number.NaN;
  };
  return {
    cosine: pick((d) => d.cosine, 1),
    normRatio: pick((d) => d.normRatio, 1),
    nmse: pick((d) => d.nmse, 0),
    zeros: pick((d) => d.zeros, 0),
    nonFinite: pick((d) => d.nonFinite, 0),
  };
}
