/** Random numbers of a seed, for inputs that can be made again. */
import { uniform } from '../../../src/kernels/check/case_values.ts';

/** Returns whole numbers from 0 to below n. */
export type Random = (n: number) => number;

export function seeded(seed: number): Random {
  const next = uniform(seed);
  return (n) => Math.floor(next() * n);
}

export function pick<T>(random: Random, list: readonly T[]): T {
  const chosen = list[random(list.length)];
  if (chosen === undefined) {
    throw new Error('there is nothing to pick from');
  }
  return chosen;
}
