/** The claims that an evaluation decides, and the curve of longer runs, from made-up pictures. */
import { describe, expect, it } from 'vitest';
import { curveMeans, curveSvg, curveTable } from '../../../commands/evaluate/curve.ts';
import { evaluationClaims } from '../../../commands/evaluate/evaluation_claims.ts';
import type { BenchResults, CurveRow, PictureRow } from '../../../commands/prompt_bench/results/results.ts';

const [PROMPTS, SEEDS] = [120, 4];
const pairs = Array.from({ length: PROMPTS * SEEDS }, (_, i) => ({
  index: i % PROMPTS,
  seed: Math.floor(i / PROMPTS),
}));

/** The first so many prompts are right. */
const pictures = (method: string, right: number): PictureRow[] =>
  pairs.map(({ index, seed }) => ({ method, index, seed, loss: 1, right: index < right }));

/** The pictures of an iteration, and the best ones until there, are right for the first so many prompts. */
const curves = (rights: readonly (readonly [iteration: number, right: number, best: number])[]): CurveRow[] =>
  pairs.map(({ index, seed }) => ({
    index,
    seed,
    points: rights.map(([iteration, right, best]) => ({
      iteration,
      total: 20 - iteration / 100,
      right: index < right,
      best: { iteration, total: 20 - iteration / 100, right: index < best },
    })),
  }));

type Counts = Readonly<Record<string, number>>;
const GOOD: Counts = { base: 72, 'best-of-50': 100, 'best-of-99': 104, 'reno-50': 104, 'multi-start 40-3-10': 112 };
const LEVEL = curves([
  [20, 80, 90],
  [100, 85, 92],
]);

function claimed(counts: Counts, { curve = LEVEL, nIters = 50, rows = (r: PictureRow[]) => r } = {}) {
  const all = rows(Object.entries(counts).flatMap(([method, right]) => pictures(method, right)));
  const results = { pictures: all, curves: curve, settings: { nIters } } as unknown as BenchResults;
  return evaluationClaims(results);
}
const failing = (...from: Parameters<typeof claimed>): string =>
  claimed(...from)
    .filter(({ holds }) => !holds)
    .map(({ claim, measured }) => `${claim}: ${measured}`)
    .join('; ');

describe('the claims', () => {
  it('hold where all of them are shown', () => {
    expect(failing(GOOD)).toBe('');
    expect(claimed(GOOD).map(({ measured }) => measured?.replace(/ \(.*\)/, ''))).toEqual([
      '120 prompts, 4 seeds, 50 iterations',
      '+26.7 points, 480 pairs of 120 prompts',
      '+3.3 points, 480 pairs of 120 prompts',
      '+6.7 points, 480 pairs of 120 prompts',
      '+1.7 points, 480 pairs of 120 prompts',
    ]);
  });

  it.each([
    ['a small gain over one step', { ...GOOD, base: 81 }, 'ReNO-50 is right at least 20 points'],
    ['less than best-of-n', { ...GOOD, 'best-of-50': 105 }, 'ReNO-50 is right no less often than best-of-50: -0.8'],
    ['too little beside best-of-n', { ...GOOD, 'best-of-99': 109 }, 'multi-start is right at least 3 points'],
    ['a method left out', { base: 72, 'reno-50': 104 }, 'best-of-50: null; multi-start'],
  ])('name %s', (_, counts, sentence) => {
    expect(failing(counts)).toContain(sentence);
  });

  it('take exactly 20 points for 20, and no fewer', () => {
    expect(failing({ ...GOOD, base: 80 })).toBe('');
    expect(
      failing(
        { ...GOOD, base: 80 },
        {
          rows: (r) =>
            r.map((row) =>
              row.method === 'base' && row.index === 80 && row.seed === 0 ? { ...row, right: true } : row,
            ),
        },
      ),
    ).toContain('20 points');
  });

  it('want multi-start ahead beyond chance', () => {
    // 3.3 points are four prompts of 120, whose interval reaches about 0.
    const few = failing(
      { ...GOOD, 'best-of-99': 2, 'multi-start 40-3-10': 4 },
      { rows: (r) => r.filter(({ index }) => index < 30) },
    );
    expect(few).toContain('multi-start is right at least 3 points');
    expect(few).toContain('(0.0 to');
  });

  it('name a fall between 20 and 100 iterations, fewer prompts and other iterations', () => {
    const falling = curves([
      [20, 80, 95],
      [100, 70, 90],
    ]);
    expect(failing(GOOD, { curve: falling })).toContain('100 iterations are right no less often than 20: -4.2');
    expect(failing(GOOD, { curve: [] })).toContain('than 20: null');
    expect(failing(GOOD, { rows: (r) => r.filter(({ index }) => index > 0) })).toContain('119 prompts, 4 seeds');
    expect(failing(GOOD, { nIters: 20 })).toContain('120 prompts, 4 seeds, 20 iterations');
  });
});

describe('the curve of longer runs', () => {
  const means = curveMeans(LEVEL);

  it('has the share of right pictures of each iteration, and of the best until there', () => {
    expect(means.map(({ iteration, right, best, loss }) => [iteration, right.mean, best.mean, loss.mean])).toEqual([
      [20, expect.closeTo(80 / 120, 9), 0.75, expect.closeTo(19.8, 9)],
      [100, expect.closeTo(85 / 120, 9), expect.closeTo(92 / 120, 9), 19],
    ]);
    expect(curveTable(LEVEL)[0]).toContain('best picture until there right');
    expect(curveTable(LEVEL)).toHaveLength(4);
  });

  it('is a picture with a line, a band and dots for both shares', () => {
    const svg = curveSvg(means);
    expect(svg.match(/<polyline /g)).toHaveLength(2);
    expect(svg.match(/<polygon /g)).toHaveLength(2);
    expect(svg.match(/<circle /g)).toHaveLength(4);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    expect(curveSvg(curveMeans(curves([[0, 120, 120]])))).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('is empty where nothing was judged', () => {
    expect(curveTable([])).toEqual([]);
    const unseen = LEVEL.map((row) => ({ ...row, points: row.points.map((point) => ({ ...point, right: null })) }));
    expect(curveTable(unseen)).toEqual([]);
  });
});
