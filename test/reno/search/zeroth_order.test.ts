/** The search without a gradient: what it moves by, what it gains, and how it goes on. PyTorch's numbers: search_methods.test.ts. */
import { describe, expect, it } from 'vitest';
import { less, mean } from '../../../src/kernels/index.ts';
import { type LoopOptions, runLoop, type Search } from '../../../src/reno/loop/loop.ts';
import type { RewardTerm } from '../../../src/reno/loop/objective.ts';
import type { LoopState } from '../../../src/reno/loop/run_state.ts';
import type { StepConfig } from '../../../src/reno/loop/step_graph.ts';
import { noiseDraws } from '../../../src/reno/noise/draw_noise.ts';
import { nextCentre, zerothOrder } from '../../../src/reno/search/zeroth_order.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import { at } from '../../../src/tensor/types.ts';
import { InterpretedPlan } from '../interpreted.ts';
import { NOISE_SHAPE, seededStep } from '../search_network.ts';

const SCORE: StepConfig = { kind: 'score', optimizer: { name: 'sgd', lr: 5 }, gradClip: 0.1, regWeight: 0.01 };
const size = { iterations: 20, samples: 4, radius: 0.5 };
const step = seededStep(SCORE);
const run = (search: Search, more: Partial<LoopOptions> = {}) =>
  runLoop(new InterpretedPlan(step), step, { ...search, now: () => 0, ...more });
const drawsOf = (seed: number) => noiseDraws(NOISE_SHAPE, seed, 'reno');

describe('a search without a gradient', () => {
  it('reaches a lower loss than as many fresh noises, with noise of the length of a draw', async () => {
    const lowest = async (search: Search) => {
      const { records, best } = await run(search);
      return { total: at(records, best).total, norm: at(records, records.length - 1).norm };
    };
    for (const seed of [1, 2]) {
      const found = await lowest(zerothOrder({ ...size, iterations: 41 }, drawsOf(seed)));
      const fresh = await lowest({ iterations: 41, noise: (i) => drawsOf(seed)(i) });
      expect(found.total).toBeLessThan(fresh.total);
      expect(found.norm / Math.sqrt(384)).toBeGreaterThan(0.9);
      expect(found.norm / Math.sqrt(384)).toBeLessThan(1.1);
    }
  });

  it.each([5, 6])('goes on from iteration %d to the same bytes', async (stop) => {
    const search = () => zerothOrder(size, drawsOf(4), 7);
    const whole = await run(search());
    const states: LoopState[] = [];
    await run(search(), { saveEvery: 1, onState: (state) => void states.push(state) });
    const resume = states.find(({ iteration }) => iteration === stop);
    expect(resume).toBeDefined();
    expect(await run(search(), resume ? { resume } : {})).toEqual(whole);
  });

  it('follows a reward that is a share of pixels, whose gradient is 0 everywhere', async () => {
    // The share of dark values has no gradient: a comparison is flat.
    const dark = (image: Tensor): RewardTerm[] => [{ name: 'dark', weight: 20, loss: mean(less(image, 0.6)) }];
    const steps = seededStep(SCORE, dark);
    const { records, best } = await runLoop(new InterpretedPlan(steps), steps, {
      ...zerothOrder(size, drawsOf(5)),
      now: () => 0,
    });
    expect(at(records, best).losses.dark).toBeLessThan(at(records, 0).losses.dark ?? 0);
  });

  it('goes towards the better sign of each draw, and stays where all losses are equal', () => {
    const [plus, minus] = [
      [1, 0],
      [-1, 0],
    ];
    const [other, opposite] = [
      [0, 2],
      [0, -2],
    ];
    const noises = [plus, minus, other, opposite];
    const moved = nextCentre([0, 0], noises, [1, 3, 2, 2], 0.6);
    expect(moved[0]).toBeCloseTo(0.6, 12);
    expect(moved[1]).toBeCloseTo(0, 12);
    expect(nextCentre([1, 1], noises, [2, 2, 2, 2], 0.6)).toEqual(Float64Array.of(0.8, 0.8));
  });
});
