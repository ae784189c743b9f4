/** The number of pictures that a run makes, and what they cost. */
import type { IterationRecord } from '../../reno/report/history.ts';
import { multiStartFor, searchLength } from '../../reno/search/multi_start_size.ts';
import type { RunSettings } from '../state/studio_state.ts';
import { counted } from '../words.ts';

/** The part of the settings that decides it. */
type Sized = Pick<RunSettings, 'method' | 'iterations'>;

/** Returns the number of iterations of a run, each with a picture. */
export function lengthOf({ method, iterations }: Sized): number {
  return method === 'multi-start' ? searchLength(multiStartFor(iterations)) : iterations;
}

/** Returns the work before an iteration in forward passes: a step along the gradient costs one more than a picture. */
export function workBefore({ method, iterations }: Sized, iteration: number): number {
  switch (method) {
    case 'best-of-n':
    case 'zeroth-order':
      return iteration;
    case 'multi-start': {
      const { candidates, steps } = multiStartFor(iterations);
      const ascended = Math.max(0, iteration - candidates);
      // The last picture of each ascent needs no gradient.
      return Math.min(iteration, candidates) + 2 * ascended - Math.floor(ascended / steps);
    }
    default:
      return 2 * iteration;
  }
}

/** Returns the work of a run, or of its first `count` iterations, in forward passes; the last one needs no gradient. */
export function workOf(settings: Sized, count = lengthOf(settings)): number {
  return count === 0 ? 0 : workBefore(settings, count - 1) + 1;
}

/** Returns what a run will do in words, such as `40 noises, then 6 ascents of 5 iterations`. */
export function lengthWords({ method, iterations }: Sized): string {
  switch (method) {
    case 'best-of-n':
      return counted(iterations, 'noise');
    case 'zeroth-order':
      return `${counted(iterations, 'noise')} in rounds`;
    case 'multi-start': {
      const { candidates, chains, steps } = multiStartFor(iterations);
      return `${counted(candidates, 'noise')}, then ${counted(chains, 'ascent')} of ${counted(steps, 'iteration')}`;
    }
    default:
      return counted(iterations, 'iteration');
  }
}

/** Returns the place of an iteration in its run, such as `Iteration 3 of 50` or `Ascent 2 of 6, step 1 of 5`. */
export function placeOf(settings: Sized, { iteration, chain }: Pick<IterationRecord, 'iteration' | 'chain'>): string {
  const { method, iterations } = settings;
  if (method !== 'multi-start') {
    const what = method === 'best-of-n' || method === 'zeroth-order' ? 'Noise' : 'Iteration';
    return `${what} ${iteration + 1} of ${iterations}`;
  }
  const { candidates, chains, steps } = multiStartFor(iterations);
  return chain === undefined
    ? `Noise ${iteration + 1} of ${candidates}`
    : `Ascent ${chain + 1} of ${chains}, step ${((iteration - candidates) % steps) + 1} of ${steps}`;
}
