import { expect, it } from 'vitest';
import { lineThrough } from '../../../commands/faults/device/fitted_line.ts';

it('the slope of a line is found, with its standard error', () => {
  expect(lineThrough([0, 1, 2, 3].map((x) => [x, 5 + 2 * x] as const))).toEqual({ slope: 2, error: 0 });
  // By hand: residuals 1, -1, -1, 1 around a flat line; 4 / 2 degrees of freedom / 5.
  const { slope, error } = lineThrough([
    [0, 1],
    [1, -1],
    [2, -1],
    [3, 1],
  ]);
  expect(slope).toBe(0);
  expect(error).toBeCloseTo(Math.sqrt(4 / 2 / 5), 12);
  expect(lineThrough([[0, 1]])).toEqual({ slope: 0, error: Infinity });
});
