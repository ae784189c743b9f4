/** Sizes in words. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB'] as const;
const DECIMAL: readonly (readonly [bytes: number, unit: string])[] = [
  [1e9, 'GB'],
  [1e6, 'MB'],
];

/**
 * Returns a number of bytes in the largest unit that it has one of, such as `3.5 GiB`. Whole megabytes and gigabytes stay what they
 * are: somebody typed them.
 */
export function sizeWords(bytes: number, digits = 1): string {
  const decimal = DECIMAL.find(([unit]) => bytes > 0 && bytes % unit === 0);
  if (decimal) {
    return `${bytes / decimal[0]} ${decimal[1]}`;
  }
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const unit = UNITS[power] ?? 'B';
  return `${(bytes / 2 ** (10 * power)).toFixed(power === 0 ? 0 : digits).replace(/\.0+$/, '')} ${unit}`;
}

/** Returns two sizes that differ with as many digits as the difference shows in. */
export function differentSizes(a: number, b: number): readonly [string, string] {
  for (let digits = 1; digits <= 6; digits++) {
    const [first, second] = [sizeWords(a, digits), sizeWords(b, digits)];
    if (first !== second) {
      return [first, second];
    }
  }
  return [`${a} B`, `${b} B`];
}
