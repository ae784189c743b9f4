import { describe, expect, it } from 'vitest';
import { affine, log, mean, mul, reshape, sigmoid, square, sub, sum } from '../../../src/kernels/index.ts';
import { type LoopOptions, runLoop, type Trajectory } from '../../../src/reno/loop/loop.ts';
import { buildStep, type StepConfig, type StepGraph } from '../../../src/reno/loop/step_graph.ts';
import { drawNoise } from '../../../src/reno/noise/draw_noise.ts';
import { lbfgsNoise } from '../../../src/reno/optimizers/lbfgs_noise.ts';
import type { IterationRecord } from '../../../src/reno/report/history.ts';
import { freshNoise, optimisedNoise } from '../../../src/reno/search/image_select.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import { at } from '../../../src/tensor/types.ts';
import { InterpretedPlan } from '../interpreted.ts';

const SHAPE = [1, 3, 2, 2];
const config: StepConfig = { kind: 'optimise', optimizer: { name: 'sgd', lr: 1 }, gradClip: 0.1, regWeight: 0.01 };

/** Noise → "picture" of 2×2 pixels; the rewards like it grey-blue and flat. */
function toyStep(change: Partial<StepConfig> = {}, broken?: (image: Tensor) => Tensor): StepGraph {
  const graph = new Graph();
  const latents = graph.input('latents', SHAPE, 'step');
  const image = reshape(sigmoid(latents), [1, 2, 2, 3]);
  const wanted = graph.constant([0.2, 0.4, 0.9], [3]);
  const colour = mean(square(sub(image, wanted)));
  const flat = reshape(affine(mean(mul(image, image)), 2, 0.5), [1]);
  const rewards = [
    { name: 'HPS', weight: 5, loss: colour },
    { name: 'CLIP', weight: 0.01, loss: broken ? broken(image) : flat },
  ];
  return buildStep({ latents, image, rewards }, { ...config, ...change });
}

function run(step: StepGraph, iterations: number, seed = 0, plan = new InterpretedPlan(step)): Promise<Trajectory> {
  const noise = step.outputs.noise_gradient ? optimisedNoise(SHAPE, seed) : freshNoise(SHAPE, seed);
  return runLoop(plan, step, { iterations, noise, now: () => 0 });
}

describe('ReNO on a toy', () => {
  it('makes the loss fall, and counts the first picture among the candidates', async () => {
    const { records, best, initImage } = await run(toyStep(), 12);
    expect(records.map((r) => r.iteration)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(at(records, best).total).toBeLessThan(0.9 * at(records, 0).total);
    const expected = Float32Array.from(drawNoise(SHAPE, 0), (z) => 1 / (1 + Math.exp(-z)));
    expect(initImage).toEqual(expected);
  });

  it('reports each loss, their weighted sum without the regulariser, and the norms', async () => {
    const first = at((await run(toyStep(), 1)).records, 0);
    const z = drawNoise(SHAPE, 0);
    const norm = Math.hypot(...z);
    expect(first.total).toBeCloseTo(
      5 * at(Object.values(first.losses), 0) + 0.01 * at(Object.values(first.losses), 1),
      6,
    );
    expect(Object.keys(first.losses)).toEqual(['HPS', 'CLIP']);
    expect(first.norm).toBeCloseTo(norm, 5);
    expect(first.regulariser).toBeCloseTo(0.01 * (0.5 * norm ** 2 - 11 * Math.log(norm)), 6);
    expect(first.gradNorm).toBeGreaterThan(0);
  });

  it('goes with L-BFGS where the search says, iteration by iteration, and ends with it', async () => {
    const step = toyStep({ optimizer: { name: 'lbfgs' } });
    const plan = new InterpretedPlan(step);
    const start = drawNoise(SHAPE, 0);
    const noise = lbfgsNoise(plan, step, { start, lr: 1, regWeight: 0.01 });
    const tried: Float32Array[] = [];
    const watched: typeof noise = async (i, past) => {
      const z = await noise(i, past);
      tried.push(z instanceof Float32Array ? z : Float32Array.of());
      return z ?? 'done';
    };
    const { records, best, bestLatents, stopped } = await runLoop(plan, step, {
      iterations: 200,
      noise: watched,
      now: () => 0,
    });
    const bySgd = await run(toyStep(), records.length);
    const lowest = (all: readonly IterationRecord[]) => Math.min(...all.map((r) => r.total + r.regulariser));
    expect(tried[0]).toEqual(start);
    expect(stopped).toBeNull();
    expect(records.length).toBeLessThan(200);
    expect(tried).toHaveLength(records.length + 1);
    expect(lowest(records)).toBeLessThan(lowest(bySgd.records) - 0.01);
    expect(bestLatents).toEqual(at(tried, at(records, best).iteration));
    // At the end of the search the gradient is small, however large it was.
    expect(at(records, records.length - 1).gradNorm).toBeLessThan(0.01 * (at(records, 0).gradNorm ?? 0));
  });

  it('keeps picture and noise of the lowest loss, not of the last', async () => {
    const step = toyStep({ optimizer: { name: 'sgd', lr: 40 } });
    const { records, best, bestImage, bestLatents } = await run(step, 15);
    const totals = records.map((r) => r.total);
    expect(best).toBe(totals.indexOf(Math.min(...totals)));
    expect(best, 'the step is so long that the last is not the best').toBeLessThan(14);
    const again = await run(step, best + 1);
    expect(again.bestImage).toEqual(bestImage);
    expect(bestImage).toEqual(Float32Array.from(bestLatents, (z) => 1 / (1 + Math.exp(-z))));
  });

  it('gives the same bytes for the same seed, on a plan that was used before too', async () => {
    const step = toyStep({ optimizer: { name: 'adam', lr: 0.1 } });
    const plan = new InterpretedPlan(step);
    const first = await run(step, 6, 5, plan);
    const other = await run(step, 6, 6, plan);
    const second = await run(step, 6, 5, plan);
    expect(second).toEqual(first);
    expect(other.bestImage).not.toEqual(first.bestImage);
  });

  it('never has more than three iterations in flight', async () => {
    const step = toyStep();
    const plan = new InterpretedPlan(step);
    await run(step, 20, 0, plan);
    // Three reads of scalars, and the first picture.
    expect(plan.mostUnread).toBeLessThanOrEqual(4);
    expect(plan.mostUnread).toBeGreaterThanOrEqual(3);
  });

  it('hands out the frames that were asked for, and tells of iterations in order', async () => {
    const step = toyStep();
    const seen: [number, boolean][] = [];
    const { frames, initImage } = await runLoop(new InterpretedPlan(step), step, {
      iterations: 6,
      noise: optimisedNoise(SHAPE, 0),
      wantsFrame: (i) => i % 2 === 0,
      onIteration: (record: IterationRecord, isBest) => seen.push([record.iteration, isBest]),
    });
    expect(frames.map((f) => f.iteration)).toEqual([0, 2, 4]);
    expect(at(frames, 0).pixels).toEqual(initImage);
    expect(seen.map(([i]) => i)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(at(seen, 0)[1]).toBe(true);
  });

  it('hands out the best picture until an iteration, which a run of that length ends with', async () => {
    const step = toyStep({ kind: 'score' });
    const runOf = (iterations: number, wantsFrame: LoopOptions['wantsFrame'] = () => false) =>
      runLoop(new InterpretedPlan(step), step, { iterations, noise: freshNoise(SHAPE, 0), wantsFrame });
    const { frames, best } = await runOf(12, (i) => (i === 3 || i === 7) && 'best');
    const [four, eight] = [await runOf(4), await runOf(8)];
    expect(frames.map(({ iteration }) => iteration)).toEqual([3, 7]);
    expect(frames.map(({ pixels }) => pixels)).toEqual([four.bestImage, eight.bestImage]);
    expect(new Set([best, four.best, eight.best]).size).toBeGreaterThan(1);
  });

  it('stops when it is interrupted and keeps what it has', async () => {
    const step = toyStep();
    const abort = new AbortController();
    const result = await runLoop(new InterpretedPlan(step), step, {
      iterations: 50,
      noise: optimisedNoise(SHAPE, 0),
      onIteration: ({ iteration }) => iteration === 3 && abort.abort(),
      signal: abort.signal,
    });
    expect(result.stopped).toMatch(/interrupted before iteration \d/);
    expect(result.records.length).toBeLessThan(10);
    expect(result.records.length).toBeGreaterThan(3);
  });
});

describe('best-of-N on a toy', () => {
  it('tries fresh noises, the first of which is where ReNO starts', async () => {
    const step = toyStep({ kind: 'score' });
    const { records, best, bestLatents, initImage } = await run(step, 10, 4);
    expect(step.outputs.noise_gradient).toBeUndefined();
    expect(new Set(records.map((r) => r.norm)).size).toBe(10);
    expect(at(records, best).total).toBe(Math.min(...records.map((r) => r.total)));
    expect(bestLatents).toEqual(drawNoise(SHAPE, 4, at(records, best).iteration));
    expect(initImage).toEqual((await run(toyStep(), 1, 4)).initImage);
  });
});

describe('a loss that breaks', () => {
  it('stops the run with one sentence and keeps the best until then', async () => {
    // The picture's sum leaves the domain of this logarithm on the way.
    const step = toyStep({ optimizer: { name: 'sgd', lr: 5 } }, (image) => log(affine(sum(image), 1, -5.3)));
    const { records, stopped, bestImage } = await run(step, 30);
    expect(records.length).toBeGreaterThan(0);
    expect(records.length).toBeLessThan(30);
    expect(stopped).toBe(
      `the loss of CLIP became NaN at iteration ${records.length}; try a smaller --lr or --grad-clip`,
    );
    expect(bestImage.every(Number.isFinite)).toBe(true);
  });

  it('is an error when it breaks at once', async () => {
    const step = toyStep({}, (image) => log(affine(sum(image), 0, -1)));
    await expect(run(step, 5)).rejects.toThrow('the loss of CLIP became NaN at iteration 0; check the weights');
  });

  it('ends when every other read has ended, which hold memory of the device', async () => {
    class Failing extends InterpretedPlan {
      override async read(name: string): Promise<Float32Array<ArrayBuffer>> {
        if (name === 'scalars') {
          throw new Error('the GPU device was lost');
        }
        return super.read(name);
      }
    }
    const step = toyStep();
    const plan = new Failing(step);
    await expect(run(step, 5, 0, plan)).rejects.toThrow('the GPU device was lost');
    expect(plan.mostUnread).toBeGreaterThan(0);
    expect(plan.unread).toBe(0);
  });
});

describe('buildStep', () => {
  it('refuses no rewards and losses of several values', () => {
    const graph = new Graph();
    const latents = graph.input('latents', SHAPE, 'step');
    expect(() => buildStep({ latents, image: latents, rewards: [] }, config)).toThrow('at least one reward');
    const rewards = [{ name: 'HPS', weight: 1, loss: square(latents) }];
    expect(() => buildStep({ latents, image: latents, rewards }, config)).toThrow(
      'the loss of reward HPS has shape [1,3,2,2]; it must be one value',
    );
  });
});
