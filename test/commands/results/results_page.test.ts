/** The page of results says what the pictures say, and where the paper says something else. */
import { describe, expect, it } from 'vitest';
import { type BenchResults, categoryResults, type Picture } from '../../../commands/prompt_bench/results/results.ts';
import { claims } from '../../../commands/results/claims.ts';
import { resultsPage } from '../../../commands/results/page.ts';

/** The shares of right pictures by method: the first so many of ten prompts, at each of two seeds. */
type Rights = Readonly<Record<string, number>>;

function results(rights: Rights, jobs: BenchResults['jobs']): BenchResults {
  const pictures = Object.entries(rights).flatMap(([method, right]) =>
    Array.from({ length: 20 }, (_, i): Picture => {
      const index = i % 10;
      const found = { iteration: 0, losses: { HPS: 1 }, right: index < right, reason: null };
      return {
        method,
        index,
        listSeed: Math.floor(i / 10),
        prompt: `prompt ${index}`,
        category: index < 5 ? 'single_object' : 'two_objects',
        key: '',
        file: 'best.png',
        result: { ...found, total: 2 },
        first: { ...found, total: 3 },
        totals: [],
        objects: null,
      };
    }),
  );
  const methods = Object.keys(rights).map((name) => ({ name, arm: name, picture: 'best', cost: 99 }) as const);
  return {
    format: 1,
    tool: 'reno-webgpu 0',
    list: 'pocket',
    model: 'pocket',
    modelHash: '',
    seeds: [0, 1],
    settings: { nIters: 50 },
    adapters: ['llvmpipe'],
    jobs,
    categories: categoryResults(methods, pictures, { HPS: 2 }),
    pictures: pictures.map(({ method, index, listSeed, result }) => ({
      method,
      index,
      seed: listSeed,
      loss: result.total,
      right: result.right,
    })),
  };
}

const whole = { all: 40, done: 40, failed: [] };
const date = '2026-11-29';

describe('claims of the paper', () => {
  const verdicts = (rights: Rights) => claims(results(rights, whole)).map(({ verdict }) => verdict);

  it('are compared by paired differences, and what is within chance is not called a finding', () => {
    expect(verdicts({ base: 2, 'best-of-50': 9, 'reno-50': 9 })).toEqual([
      'as in the paper',
      'not decided: the interval holds 0',
    ]);
    expect(verdicts({ base: 2, 'best-of-50': 9, 'reno-50': 4 })[1]).toBe('the opposite');
  });

  it('are said not to be measured where the runs are not there', () => {
    expect(verdicts({ base: 2, 'reno-50': 9 })[1]).toBe('not measured');
  });

  it('are there for each reward alone', () => {
    const found = claims(results({ base: 2, 'reno-50': 9, 'reno clip alone': 2 }, whole));
    expect(found.map(({ paper, verdict }) => [paper.slice(0, 38), verdict])).toEqual([
      ['ReNO makes more pictures right than on', 'as in the paper'],
      ['At equal iterations ReNO is a little a', 'not measured'],
      ['clip alone is better than one step (co', 'not decided: the interval holds 0'],
      ['All rewards together are better than c', 'as in the paper'],
    ]);
  });
});

describe('the page', () => {
  it('has methods with paired differences, comparisons, categories, rewards, and numbers of prompts and seeds', () => {
    const rights = { base: 2, 'best-of-50': 9, 'best-of-99': 9, 'reno-50': 7, 'multi-start 40-3-10': 10 };
    const page = resultsPage({ ...results(rights, whole), commits: ['abc1234'] }, date);
    expect(page).toContain('on 2026-11-29 from results of `reno bench pocket` (reno-webgpu 0, commit abc1234)');
    expect(page).toContain('10 held-out prompts, 2 seeds, 50 iterations, 40 of 40 jobs, on llvmpipe');
    expect(page).toContain('Fewer than four seeds are done');
    expect(page).not.toContain('not complete');
    expect(page).toMatch(/\| reno-50 +\| +99 \| +20 \| +70\.0 % \([\d. to]+\) \| +\+50\.0 \([\d. to]+\) points/);
    expect(page).toMatch(/\| reno-50 against best-of-99 +\| +equal compute \| +20 \| +-20\.0 /);
    expect(page).toMatch(/\| multi-start 40-3-10 against reno-50 +\| +equal compute \| +20 \| +\+30\.0 /);
    expect(page).toMatch(/\| two objects +\| +5 \|/);
    expect(page).toMatch(/\| base +\| +1\.000 /);
    expect(page).toContain('not decided: the interval holds 0');
  });

  it('says that runs are not complete, and which comparisons are not there', () => {
    const page = resultsPage(results({ base: 2, 'reno-50': 9 }, { all: 40, done: 3, failed: [] }), date);
    expect(page).toContain('**The runs are not complete**: the tables are of the 3 jobs that are done');
    expect(page).toContain('these runs are not there');
    expect(page).toContain(
      'Not in these results: best-of-50, best-of-99, multi-start, each reward alone, each reward left out.',
    );
    expect(page).not.toContain('## Equal iterations, equal compute');
  });
});
