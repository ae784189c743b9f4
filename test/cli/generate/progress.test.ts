/** The line of progress: what it estimates. */
import { expect, it } from 'vitest';
import { Progress, type Terminal } from '../../../src/cli/generate/progress.ts';
import type { IterationRecord } from '../../../src/reno/report/history.ts';

const made = (iteration: number, origin: Partial<IterationRecord>): IterationRecord => {
  return { iteration, losses: {}, total: 1, regulariser: 0, norm: 1, seconds: iteration, ...origin };
};

it('a search from many noises has a plain line for the beginning of each ascent', () => {
  const lines: string[] = [];
  const terminal: Terminal = { isTTY: false, columns: 200, write: (text) => void lines.push(text) };
  const progress = new Progress(terminal, 8, []);
  const chains = [undefined, undefined, undefined, undefined, 0, 0, 1, 1];
  const draws = [0, 1, 2, 3, 2, 2, 0, 0];
  for (const [i, draw] of draws.entries()) {
    const chain = chains[i];
    progress.update(made(i, chain === undefined ? { draw } : { draw, chain }), i === 0);
  }
  const places = lines.map((line) => /\/8 {2}(.*?) {2}best/.exec(line)?.[1]?.trim());
  expect(places).toEqual(['draw 0', 'ascent 1 (draw 2)', 'ascent 2 (draw 0)', 'ascent 2 (draw 0)']);
});

it('the time left does not count the first iteration, during which drivers compile', () => {
  const lines: string[] = [];
  const terminal: Terminal = { isTTY: true, columns: 200, write: (text) => void lines.push(text) };
  const progress = new Progress(terminal, 50, []);
  const record = (iteration: number, seconds: number): IterationRecord => ({
    iteration,
    losses: {},
    total: 1,
    regulariser: 0,
    norm: 1,
    seconds,
  });
  progress.update(record(0, 10.9), true);
  expect(lines[0]).not.toContain('left');
  progress.update(record(1, 11.9), false);
  expect(lines[1]).toContain('48.0 s left'); // 48 iterations of one second each, not of six.
  progress.update(record(3, 13.9), false);
  expect(lines[2]).toContain('46.0 s left');
});
