/** The five rewards' losses as the ReNO reference forms them, offset and all; scores and gradients are in cases.test.ts. */
import { expect, it } from 'vitest';
import { CASES } from '../../../commands/parity/cases/reward_cases.ts';
import { interpret } from '../../../src/tensor/interpreter.ts';

it.each(Object.entries(CASES))('%s', async (_, make) => {
  const { loss, feeds, expectedLoss } = await make('f32');
  const [values = []] = interpret([loss], feeds);
  expect(values.length).toBe(expectedLoss.length);
  // The expected loss is kept in f32.
  expectedLoss.forEach((expected, i) => {
    expect(Math.abs((values[i] ?? Number.NaN) - expected)).toBeLessThan(1e-5);
  });
});
