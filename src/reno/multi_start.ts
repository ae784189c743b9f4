/**
 * Many noises are judged, and the best few of them are ascended for a few iterations each. It spends what one long run costs on
 * several short ones: on the pocket models this is more often right (docs/scale.md), because a long ascent follows the rewards to
 * where they are wrong. One plan serves both: a candidate is judged by the forward part of a step.
 */
import { at } from '../tensor/types.ts';
import type { Search } from './loop.ts';

/** The size of a search. */
export interface MultiStart {
  /** The noises that are judged: draws of the seed from the first one on. */
  readonly candidates: number;
  /** The number of best noises that are ascended. */
  readonly chains: number;
  /** The iterations of each ascent. Its first picture is the candidate's. */
  readonly steps: number;
}

/** Iterations of an ascent, unless the work allows fewer. */
const STEPS = 5;
/** Share of the work that is spent on candidates. Of the splits that were tried, 40 candidates and 6 chains of 5 did best. */
const JUDGED = 0.4;

/** The work of `iterations` with their gradients, in forward passes: the last one needs none. */
export function forwardPasses(iterations: number): number {
  return 2 * iterations - 1;
}

/** The work of a search in forward passes. */
export function searchCost({ candidates, chains, steps }: MultiStart): number {
  return candidates + chains * forwardPasses(steps);
}

/** A search that costs at most what `iterations` of one run cost: 40 candidates and 6 chains of 5 steps for 50. */
export function multiStartFor(iterations: number): MultiStart {
  const budget = forwardPasses(iterations);
  const candidates = Math.max(1, Math.round(JUDGED * budget));
  const rest = budget - candidates;
  const chains = Math.max(1, Math.floor(rest / forwardPasses(STEPS)));
  return { candidates, chains, steps: Math.max(1, Math.min(STEPS, Math.floor((rest / chains + 1) / 2))) };
}

/** The number of iterations of a search, each with a picture: the candidates, and the steps of each chain. */
export function searchLength({ candidates, chains, steps }: MultiStart): number {
  return candidates + chains * steps;
}

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
