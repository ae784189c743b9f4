/** How well a run shows what ReNO does: the share of right pictures in its second half, plus a little for an early first one. */
export function steadiness(right: readonly boolean[]): number {
  const half = right.slice(Math.floor(right.length / 2));
  const first = right.indexOf(true);
  return half.filter(Boolean).length / Math.max(1, half.length) + (first < 0 ? 0 : 0.1 * (1 - first / right.length));
}
