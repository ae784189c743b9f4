/** The sizes of searches from many noises, and what they cost. */

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
const STEPS = 10;
/** Share of the work that is spent on candidates: 40 of 99 (docs/pocket-rewards.md has what other splits reach). */
const JUDGED = 0.4;

/** The work of `iterations` with their gradients, in forward passes: the last one needs none. */
export function forwardPasses(iterations: number): number {
  return 2 * iterations - 1;
}

/** The work of a search in forward passes. */
export function searchCost({ candidates, chains, steps }: MultiStart): number {
  return candidates + chains * forwardPasses(steps);
}

/** A search that costs at most what `iterations` of one run cost: 40 candidates and 3 chains of 10 steps for 50. */
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
