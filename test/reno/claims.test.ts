import { expect, it } from 'vitest';
import { besideBestOfN, type CategoryResult, unmetClaims } from '../../src/reno/evaluation.ts';

const overall = (prompts: number, right: CategoryResult['right']): CategoryResult[] => [
  { category: 'colors', prompts: 24, right },
  { category: 'overall', prompts, right },
];

it('is satisfied by what it says', () => {
  expect(unmetClaims(overall(120, { base: 0.5, 'best-of-n': 0.6, reno: 0.65 }), 50)).toEqual([]);
});

it.each([
  ['too few prompts', overall(119, { base: 0.5, 'best-of-n': 0.6, reno: 0.65 }), 50, '119 prompts'],
  ['other iterations', overall(120, { base: 0.5, 'best-of-n': 0.6, reno: 0.65 }), 20, '20 iterations'],
  ['a small gain', overall(120, { base: 0.55, 'best-of-n': 0.6, reno: 0.65 }), 50, 'ReNO is 10.0 points over'],
  ['a method left out', overall(120, { base: 0.4, reno: 0.6 }), 50, 'not all of them were run'],
  ['no results', [], 50, 'not all of them were run'],
])('names %s', (_, results, nIters, sentence) => {
  expect(unmetClaims(results, nIters).join('; ')).toContain(sentence);
});

it.each([
  [0.65, 'ReNO-50 beats best-of-50 by 5.0 points'],
  [0.6, 'ReNO-50 only equals best-of-50 with the same rewards'],
  [0.58, 'ReNO-50 is 2.0 points below best-of-50 with the same rewards'],
])('says how ReNO at %d stands beside best-of-n', (reno, sentence) => {
  expect(besideBestOfN(overall(120, { base: 0.4, 'best-of-n': 0.6, reno }), 50)).toContain(sentence);
});

it('says nothing beside best-of-n where it was not run', () => {
  expect(besideBestOfN(overall(120, { base: 0.4, reno: 0.6 }), 50)).toBeNull();
});
