/**
 * Many noises are judged, and the best few of them are ascended for a few iterations each. It spends what one long run costs on
 * several short ones: on the pocket models this is more often right (docs/scale.md), because a long ascent follows the rewards to
 * where they are wrong.
 */
import { at } from '../tensor/types.ts';
import type { IterationRecord } from './history.ts';
import type { Generated, GenerateOptions } from './session.ts';

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

/** An ascent from one of the candidates. */
export interface Chain {
  /** The draw of the seed that it started from. */
  readonly draw: number;
  readonly made: Generated;
}

export interface MultiStarted {
  /** The losses of every candidate, in the order of their draws. */
  readonly candidates: readonly IterationRecord[];
  /** From the best candidate to the worst of those that were ascended. */
  readonly chains: readonly Chain[];
  /** The chain with the lowest total. It is never above the best candidate's. */
  readonly best: Chain;
  /** The picture of the first candidate, which one noise alone would give. [H,W,3] in [0,1]. */
  readonly initImage: Float32Array<ArrayBuffer>;
  /** The reason, one sentence, why the search ended early; null when it did not. */
  readonly stopped: string | null;
}

interface Generator {
  generate(options: GenerateOptions): Promise<Generated>;
}

/**
 * Runs a search for one prompt and seed. The same arguments give the same bytes.
 * @param select opened with mode `imageselect` @param reno opened with mode `reno`, the same rewards and the same noise
 * @throws Error as `Reno.generate`
 */
export async function multiStart(
  { select, reno }: { readonly select: Generator; readonly reno: Generator },
  { candidates, chains, steps }: MultiStart,
  options: Pick<GenerateOptions, 'prompt' | 'seed' | 'draw' | 'signal' | 'onCut'>,
): Promise<MultiStarted> {
  const first = options.draw ?? 0;
  const judged = await select.generate({ ...options, nIters: candidates });
  const { records, initImage, stopped } = judged.trajectory;
  const order = records.map((_, i) => i).sort((a, b) => at(records, a).total - at(records, b).total || a - b);
  const made: Chain[] = [];
  let ended = stopped;
  for (const i of order.slice(0, chains)) {
    if (ended !== null && made.length > 0) {
      break;
    }
    const { onCut: _, ...rest } = options;
    const chain = { draw: first + i, made: await reno.generate({ ...rest, draw: first + i, nIters: steps }) };
    ended ??= chain.made.trajectory.stopped;
    made.push(chain);
  }
  const best = made.reduce((a, b) => (bestTotal(b) < bestTotal(a) ? b : a));
  return { candidates: records, chains: made, best, initImage, stopped: ended };
}

function bestTotal({ made: { trajectory } }: Chain): number {
  return at(trajectory.records, trajectory.best).total;
}
