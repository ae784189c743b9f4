/** The line of progress: what it estimates. */
import { expect, it } from 'vitest';
import { Progress, type Terminal } from '../../src/cli/progress.ts';
import type { IterationRecord } from '../../src/reno/history.ts';

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
