/** A straight line through measurements. */

export interface Line {
  readonly slope: number;
  /** The standard error of the slope; infinite for fewer than three points. */
  readonly error: number;
}

/** Fits a line through points [x, y] by least squares. */
export function lineThrough(points: readonly (readonly [x: number, y: number])[]): Line {
  const n = points.length;
  const mean = (of: (point: readonly [number, number]) => number): number =>
    points.reduce((sum, p) => sum + of(p), 0) / n;
  const [cx, cy] = [mean(([x]) => x), mean(([, y]) => y)];
  const spread = points.reduce((sum, [x]) => sum + (x - cx) ** 2, 0);
  if (n < 3 || spread === 0) {
    return { slope: 0, error: Infinity };
  }
  const slope = points.reduce((sum, [x, y]) => sum + (x - cx) * (y - cy), 0) / spread;
  const residual = points.reduce((sum, [x, y]) => sum + (y - cy - slope * (x - cx)) ** 2, 0);
  return { slope, error: Math.sqrt(residual / (n - 2) / spread) };
}
