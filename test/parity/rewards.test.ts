/** The five rewards in f64 on the CPU against the public libraries: score, loss and the picture's gradient. */
import { describe, expect, it } from 'vitest';
import { interpret } from '../../src/tensor/interpreter.ts';
import { at } from '../../src/tensor/types.ts';
import { expectClose, interpreted } from '../support/golden.ts';
import { REWARD_CASES } from './cases/rewards.ts';

/** The reference is f64 of which f32 is kept. */
const BOUND = 1e-12;

describe('as the public libraries', () => {
  it.each(Object.entries(REWARD_CASES))('%s', async (_, make) => {
    const reward = await make('f32');
    expectClose(interpreted(reward), reward, BOUND);
    const [loss = []] = interpret([reward.loss], reward.feeds);
    reward.expectedLoss.forEach((expected, i) => {
      expect(Math.abs(at(loss, i) - expected)).toBeLessThan(1e-5);
    });
  });
});
