/** Rewards that watch: they leave the run as it is, may choose its best picture, and the report says when they fall. */
import { describe, expect, it } from 'vitest';
import { affine, mean, square } from '../../../src/kernels/index.ts';
import { runLoop } from '../../../src/reno/loop/loop.ts';
import type { RewardTerm } from '../../../src/reno/loop/objective.ts';
import type { StepConfig } from '../../../src/reno/loop/step_graph.ts';
import type { History, IterationRecord, RewardInfo } from '../../../src/reno/report/history.ts';
import { divergences, watchedSection } from '../../../src/reno/report/watched_rewards.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import { at } from '../../../src/tensor/types.ts';
import { InterpretedPlan } from '../interpreted.ts';
import { noiseAt, seededStep } from '../search_network.ts';

const SGD: StepConfig = { kind: 'optimise', optimizer: { name: 'sgd', lr: 5 }, gradClip: 0.1, regWeight: 0.01 };
/** It likes dark pictures, and the others do not. */
const dark = (image: Tensor): RewardTerm[] => [
  { name: 'dark', weight: 0, loss: mean(square(affine(image, 1, -0.1))), watched: true },
];

async function run(config: StepConfig, more?: (image: Tensor) => RewardTerm[]) {
  const step = seededStep(config, more);
  const noise = (i: number) => (i === 0 ? noiseAt(1) : null);
  return runLoop(new InterpretedPlan(step), step, { iterations: 8, noise, now: () => 0 });
}

describe('a reward that watches', () => {
  it('is recorded, and changes nothing else', async () => {
    const [alone, watched] = [await run(SGD), await run(SGD, dark)];
    const without = watched.records.map(({ losses: { dark: _, ...losses }, ...rest }) => ({ ...rest, losses }));
    expect(without).toEqual(alone.records);
    expect(watched.bestLatents).toEqual(alone.bestLatents);
    expect(watched.records.every(({ losses }) => (losses.dark ?? 0) > 0)).toBe(true);
  });

  it('chooses the best picture where it is asked to', async () => {
    const { records, best, bestImage } = await run({ ...SGD, selectBy: 'dark' }, dark);
    const losses = records.map((r) => r.losses.dark ?? Number.NaN);
    const totals = records.map((r) => r.total);
    expect(best).toBe(losses.indexOf(Math.min(...losses)));
    expect(best).not.toBe(totals.indexOf(Math.min(...totals)));
    expect(mean64(bestImage.map((v) => (v - 0.1) ** 2))).toBeCloseTo(at(losses, best), 5);
    expect(() => seededStep({ ...SGD, selectBy: 'other' })).toThrow(
      'the best picture cannot be chosen by other, which is no reward of this run',
    );
  });
});

const mean64 = (values: Float32Array): number => values.reduce((s, v) => s + v, 0) / values.length;

const REWARDS: RewardInfo[] = [
  { name: 'HPS', weight: 5, offset: 1 },
  { name: 'PickScore', weight: 0, offset: 30, watched: true },
];

/** A run with these weighted losses and scores of the watching reward. */
function history(totals: readonly number[], scores: readonly number[], mode: 'reno' | 'imageselect' = 'reno') {
  const iterations = totals.map((total, iteration): IterationRecord => {
    const losses = { HPS: total / 5, PickScore: 30 - at(scores, iteration) };
    return { iteration, losses, total, regulariser: 0, norm: 1, seconds: 0 };
  });
  return { iterations, config: { mode, rewards: REWARDS } } as unknown as Pick<History, 'iterations' | 'config'>;
}

describe('the guard', () => {
  it('says when the watching reward fell while the weighted loss fell further', () => {
    const run = history([5, 4, 3, 2, 2.5], [20, 21, 20.5, 19.5, 22]);
    expect(divergences(run)).toMatchObject([
      { reward: 'PickScore', from: { iteration: 1 }, to: { iteration: 3 }, begun: 20, highest: 21, ended: 19.5 },
    ]);
    expect(watchedSection(run)).toBe(
      '<p class="warning">From iteration 1 to 3 the weighted loss fell from 4 to 2, while PickScore, which only watches, fell from 21 to 19.5, below the 20 that it began with: the run may please its rewards more than you.</p>',
    );
  });

  it('is calm where it rose with them, and silent where nothing was ascended or nobody watched', () => {
    expect(watchedSection(history([5, 4, 3], [20, 21, 22]))).toContain('PickScore only watched, and did not fall');
    expect(divergences(history([5, 4, 3], [20, 21, 19], 'imageselect'))).toEqual([]);
    const { iterations, config } = history([5, 4], [20, 19]);
    expect(watchedSection({ iterations, config: { ...config, rewards: REWARDS.slice(0, 1) } })).toBe('');
  });
});
