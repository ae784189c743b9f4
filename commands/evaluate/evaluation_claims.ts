/** The claims about the pocket models that `npm run evaluate` decides, from paired differences over prompts. */
import { type PairedDifference, pairedDifference } from '../prompt_bench/results/paired.ts';
import type { BenchResults, PictureRow } from '../prompt_bench/results/results.ts';
import { points } from '../results/claims.ts';

/** A claim and what was measured. */
export interface EvaluationClaim {
  readonly claim: string;
  /** The measured figure with its interval; null where its runs are not there. */
  readonly measured: string | null;
  readonly holds: boolean;
}

/** The claims are about at least so many prompts and seeds, and about this number of iterations. */
const SIZE = { prompts: 120, seeds: 4, iterations: 50 } as const;
const POINT = 0.01;

/** Returns every claim; one whose runs are not there does not hold. */
export function evaluationClaims(results: BenchResults): EvaluationClaim[] {
  const { pictures, curves = [] } = results;
  const of = (method: string | undefined): PictureRow[] => pictures.filter((row) => row.method === method);
  const n = (results.settings as { readonly nIters: number }).nIters;
  const search = pictures.find(({ method }) => method.startsWith('multi-start'))?.method;
  const until = (iteration: number): PictureRow[] =>
    curves.flatMap(({ index, seed, points: curve }) => {
      const point = curve.find((p) => p.iteration === iteration);
      return point
        ? [{ method: `until ${iteration}`, index, seed, loss: point.best.total, right: point.best.right }]
        : [];
    });
  return [
    size(pictures, n),
    compare(`ReNO-${n} is right at least 20 points more often than one step`, of('base'), of(`reno-${n}`), 20),
    compare(`ReNO-${n} is right no less often than best-of-${n}`, of(`best-of-${n}`), of(`reno-${n}`), 0),
    compare(
      `multi-start is right at least 3 points more often than best-of-${2 * n - 1}, which costs as much, beyond chance`,
      of(`best-of-${2 * n - 1}`),
      of(search),
      3,
      true,
    ),
    compare('100 iterations are right no less often than 20', until(20), until(100), 0),
  ];
}

/** Smaller evaluations show less than is claimed. */
function size(pictures: readonly PictureRow[], iterations: number): EvaluationClaim {
  const count = (of: (row: PictureRow) => number): number => new Set(pictures.map(of)).size;
  const [prompts, seeds] = [count(({ index }) => index), count(({ seed }) => seed)];
  return {
    claim: `At least ${SIZE.prompts} prompts, ${SIZE.seeds} seeds, ${SIZE.iterations} iterations`,
    measured: `${prompts} prompts, ${seeds} seeds, ${iterations} iterations`,
    holds: prompts >= SIZE.prompts && seeds >= SIZE.seeds && iterations === SIZE.iterations,
  };
}

/** B is right at least `least` points more often than A. @param beyondChance whether the interval must lie above 0 too */
function compare(
  claim: string,
  a: readonly PictureRow[],
  b: readonly PictureRow[],
  least: number,
  beyondChance = false,
): EvaluationClaim {
  const found: PairedDifference | null = pairedDifference(a, b);
  if (!found?.right) {
    return { claim, measured: null, holds: false };
  }
  const { right, pairs, prompts } = found;
  return {
    claim,
    measured: `${points(right)}, ${pairs} pairs of ${prompts} prompts`,
    // A difference of whole pictures that is 3 points exactly must not fail by rounding.
    holds: right.mean >= least * POINT - 1e-9 && (!beyondChance || right.low > 0),
  };
}
