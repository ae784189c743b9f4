/** The paper's claims about methods, beside the measurements made here. */
import { pairedDifference } from '../prompt_bench/results/paired.ts';
import { type BenchResults, type PictureRow, percent } from '../prompt_bench/results/results.ts';
import type { Estimate } from '../prompt_bench/results/statistics.ts';

export interface Claim {
  /** The paper's sentence with its figures (GenEval overall, T2I-CompBench colour, SD-Turbo). */
  readonly paper: string;
  /** The measured figure with its interval; null where its runs are not there. */
  readonly measured: string | null;
  readonly verdict: 'as in the paper' | 'the opposite' | 'not decided: the interval holds 0' | 'not measured';
}

/** The paper's single rewards on T2I-CompBench colour, SD-Turbo; the base reaches .55, all four .78. */
const ALONE: Readonly<Record<string, string>> = {
  clip: '.66',
  hps: '.64',
  image_reward: '.77',
  pick_score: '.63',
};

/** Returns the paper's claims and what the pictures say, for those whose methods the paper has. */
export function claims({ pictures, settings }: Pick<BenchResults, 'pictures' | 'settings'>): Claim[] {
  const of = (method: string): PictureRow[] => pictures.filter((row) => row.method === method);
  const names = [...new Set(pictures.map(({ method }) => method))];
  const n = (settings as { readonly nIters: number }).nIters;
  const reno = of(`reno-${n}`);
  const alone = names.flatMap((name) => /^reno (\w+) alone$/.exec(name)?.[1] ?? []);
  return [
    claim('ReNO makes more pictures right than one step (.49 to .62; colour .55 to .78).', of('base'), reno),
    claim(
      'At equal iterations ReNO is a little ahead of best-of-N with the same rewards (.62 and .60).',
      of(`best-of-${n}`),
      reno,
    ),
    ...alone.map((reward) =>
      claim(
        `${reward} alone is better than one step (colour .55 to ${ALONE[reward] ?? '…'}).`,
        of('base'),
        of(`reno ${reward} alone`),
      ),
    ),
    ...alone.map((reward) =>
      claim(
        `All rewards together are better than ${reward} alone (colour ${ALONE[reward] ?? '…'} to .78).`,
        of(`reno ${reward} alone`),
        reno,
      ),
    ),
  ];
}

function claim(paper: string, a: readonly PictureRow[], b: readonly PictureRow[]): Claim {
  const found = pairedDifference(a, b);
  if (!found?.right) {
    return { paper, measured: null, verdict: 'not measured' };
  }
  const { right, prompts, pairs } = found;
  return { paper, measured: `${points(right)}, ${pairs} pairs of ${prompts} prompts`, verdict: verdictOf(right) };
}

function verdictOf({ low, high }: Estimate): Claim['verdict'] {
  if (low > 0) {
    return 'as in the paper';
  }
  return high < 0 ? 'the opposite' : 'not decided: the interval holds 0';
}

/** A difference of shares in points of a hundred. */
export function points(estimate: Estimate): string {
  const sign = estimate.mean > 0 ? '+' : '';
  return `${sign}${percent(estimate).replaceAll(' %', '')} points`;
}
