/**
 * Many noises are judged, and the best few of them are ascended for a few iterations each. It spends what one long run costs on
 * several short ones, since one noise may be a poor start, and a long ascent may follow the rewards to where they are wrong. One plan
 * serves both: a candidate is judged by the forward part of a step.
 */
import { at } from '../../tensor/types.ts';
import type { Search } from '../loop/loop.ts';
import { type MultiStart, searchLength } from './multi_start_size.ts';

/**
 * The search as the loop runs it: first every candidate, then one ascent after another, from the best candidate on; of equal ones
 * the earlier draw comes first. The last picture of an ascent is only judged, since no step follows it.
 * @param noise the noise of each draw of the seed @param first the draw of the first candidate
 */
export function multiStart(search: MultiStart, noise: (draw: number) => Float32Array, first = 0): Search {
  const { candidates, chains, steps } = search;
  const placeOf = (iteration: number): { chain: number; step: number } | null => {
    const i = iteration - candidates;
    return i < 0 ? null : { chain: Math.floor(i / steps), step: i % steps };
  };
  /** Positions of the candidates that are ascended; known once all are judged. */
  let chosen: readonly number[] = [];
  return {
    iterations: searchLength(search),
    noise: async (iteration, past) => {
      const place = placeOf(iteration);
      if (!place) {
        return noise(first + iteration);
      }
      if (chosen.length === 0) {
        const judged = (await past()).slice(0, candidates);
        if (judged.length < candidates) {
          return 'done';
        }
        chosen = bestOf(judged, chains);
      }
      return place.step === 0 ? noise(first + at(chosen, place.chain)) : null;
    },
    isJudged: (iteration) => {
      const place = placeOf(iteration);
      return !place || place.step === steps - 1;
    },
    beginsAnew: (iteration) => placeOf(iteration)?.step === 0,
    originOf: (iteration) => {
      const place = placeOf(iteration);
      return place ? { draw: first + at(chosen, place.chain), chain: place.chain } : { draw: first + iteration };
    },
  };
}

/** Positions of the `count` lowest totals, the lowest first. */
function bestOf(judged: readonly { readonly total: number }[], count: number): number[] {
  const order = judged.map((_, i) => i).sort((a, b) => at(judged, a).total - at(judged, b).total || a - b);
  return order.slice(0, count);
}
