import { UsageError } from '../../src/cli/usage_error.ts';

/** Reads `0,1,2` or `0-3`. @returns each seed once @throws UsageError */
export function parseSeeds(text: string): number[] {
  const seeds = text.split(',').flatMap((word) => {
    const [, low = '', high = low] = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(word) ?? [];
    const [first, last] = [Number(low), Number(high)];
    if (low === '' || !Number.isSafeInteger(last) || last < first || last - first > 10_000) {
      throw new UsageError(`--seeds must be whole numbers such as 0,1,2 or 0-3, not "${text}"`);
    }
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  return [...new Set(seeds)];
}
