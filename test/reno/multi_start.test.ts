import { describe, expect, it } from 'vitest';
import { type MultiStart, multiStart, multiStartFor, searchCost } from '../../src/reno/multi_start.ts';
import type { Generated, GenerateOptions } from '../../src/reno/session.ts';

/** Totals of made-up runs: candidate `draw` has `start(draw)`, and an ascent from it falls by `slope(draw)` each iteration. */
function generators(start: (draw: number) => number, slope: (draw: number) => number) {
  const asked: { kind: string; draw: number; nIters: number }[] = [];
  const generated = (totals: readonly number[]): Generated => {
    const records = totals.map((total, iteration) => ({
      iteration,
      losses: {},
      total,
      regulariser: 0,
      norm: 1,
      seconds: 0,
    }));
    const best = totals.indexOf(Math.min(...totals));
    const image = Float32Array.of(totals[0] ?? 0);
    const trajectory = { records, best, initImage: image, bestImage: image, stopped: null };
    return { trajectory, history: {} } as unknown as Generated;
  };
  const run = (kind: 'select' | 'reno') => ({
    generate: async ({ draw = 0, nIters = 0 }: GenerateOptions) => {
      asked.push({ kind, draw, nIters });
      return generated(
        Array.from({ length: nIters }, (_, i) => (kind === 'select' ? start(draw + i) : start(draw) - slope(draw) * i)),
      );
    },
  });
  return { asked, select: run('select'), reno: run('reno') };
}

const search: MultiStart = { candidates: 6, chains: 2, steps: 3 };

describe('a search from many noises', () => {
  it('ascends the best candidates from their own draws, and returns the lowest end', async () => {
    const totals = [5, 3, 9, 2, 8, 4];
    const engines = generators(
      (draw) => totals[draw - 10] ?? Number.NaN,
      (draw) => (draw === 11 ? 2 : 0.1), // The second best candidate ends lower than the best.
    );
    const found = await multiStart(engines, search, { prompt: 'p', seed: 1, draw: 10 });
    expect(engines.asked).toEqual([
      { kind: 'select', draw: 10, nIters: 6 },
      { kind: 'reno', draw: 13, nIters: 3 },
      { kind: 'reno', draw: 11, nIters: 3 },
    ]);
    expect(found.best.draw).toBe(11);
    expect(found.candidates.map(({ total }) => total)).toEqual(totals);
    expect(found.initImage[0]).toBe(5);
  });

  it('takes the earlier of two equal candidates, and is never above the best candidate', async () => {
    const engines = generators(
      () => 1,
      () => -1,
    );
    const found = await multiStart(engines, search, { prompt: 'p', seed: 1 });
    expect(found.chains.map(({ draw }) => draw)).toEqual([0, 1]);
    expect(found.best.made.trajectory.records[found.best.made.trajectory.best]?.total).toBe(1);
  });

  it('costs at most what one run costs, for every number of iterations', () => {
    expect(multiStartFor(50)).toEqual({ candidates: 40, chains: 6, steps: 5 });
    expect(searchCost(multiStartFor(50))).toBe(94);
    for (let iterations = 2; iterations <= 300; iterations++) {
      const chosen = multiStartFor(iterations);
      expect(searchCost(chosen)).toBeLessThanOrEqual(2 * iterations - 1);
      expect(Math.min(chosen.candidates, chosen.chains, chosen.steps)).toBeGreaterThan(0);
      expect(chosen.chains).toBeLessThanOrEqual(chosen.candidates);
    }
  });
});
