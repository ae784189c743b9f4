/** Levers on a toy: nothing changes until one moves, and then the run goes on as one that always had the new values. */
import { describe, expect, it } from 'vitest';
import { affine, mean, mul, reshape, sigmoid, square, sub } from '../../../src/kernels/index.ts';
import type { Levers } from '../../../src/reno/loop/levers.ts';
import { type LoopOptions, runLoop, type Trajectory } from '../../../src/reno/loop/loop.ts';
import type { LoopState } from '../../../src/reno/loop/run_state.ts';
import { buildStep, type StepConfig, type StepGraph } from '../../../src/reno/loop/step_graph.ts';
import { gaussianity, reordered } from '../../../src/reno/noise/gaussianity.ts';
import { optimisedNoise } from '../../../src/reno/search/image_select.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { at } from '../../../src/tensor/types.ts';
import { InterpretedPlan } from '../interpreted.ts';
import { NOISE_SHAPE, noiseAt, seededStep } from '../search_network.ts';

const SHAPE = [1, 3, 2, 2];
/** Every number is one of f32: the interpreter keeps constants in f64, where a GPU has them in f32 as it has inputs. */
const START: Levers = { rewards: { HPS: 5, CLIP: 2 ** -6 }, lr: 1, gradClip: 0.125, regWeight: 2 ** -7, optim: 'sgd' };

function toyStep({ rewards, lr, gradClip, regWeight, optim }: Levers, levers: boolean): StepGraph {
  const graph = new Graph();
  const latents = graph.input('latents', SHAPE, 'step');
  const image = reshape(sigmoid(latents), [1, 2, 2, 3]);
  const colour = mean(square(sub(image, graph.constant([0.2, 0.4, 0.9], [3]))));
  const flat = affine(mean(mul(image, image)), 2, 0.5);
  const terms = [
    { name: 'HPS', weight: rewards.HPS ?? 0, loss: colour },
    { name: 'CLIP', weight: rewards.CLIP ?? 0, loss: flat },
  ];
  const config: StepConfig = { kind: 'optimise', optimizer: { name: optim, lr }, gradClip, regWeight, levers };
  return buildStep({ latents, image, rewards: terms }, config);
}

function run(step: StepGraph, options: Partial<LoopOptions> = {}): Promise<Trajectory> {
  const noise = optimisedNoise(SHAPE, 0);
  return runLoop(new InterpretedPlan(step), step, { iterations: 12, noise, now: () => 0, ...options });
}

/** The first `iterations` of a run, and the state after them. */
async function begun(step: StepGraph, iterations: number, options: Partial<LoopOptions> = {}): Promise<LoopState> {
  const states: LoopState[] = [];
  await run(step, {
    iterations: iterations + 1,
    saveEvery: iterations,
    onState: (s) => void states.push(s),
    ...options,
  });
  return at(states, 0);
}

describe('levers', () => {
  it.each(['sgd', 'adam'] as const)('change nothing until one moves (%s)', async (optim) => {
    const start = { ...START, optim };
    const [plain, levered] = [
      await run(toyStep(start, false)),
      await run(toyStep(start, true), { levers: () => start }),
    ];
    expect(levered.records).toEqual(plain.records);
    expect(levered.bestImage).toEqual(plain.bestImage);
    expect(levered.bestLatents).toEqual(plain.bestLatents);
    expect(levered.moves).toEqual([{ iteration: 0, levers: start }]);
    expect(plain.moves).toEqual([]);
  });

  it.each([
    ['learning rate', { lr: 0.25 }],
    ['clip', { gradClip: 2 ** -6 }],
    ['regulariser', { regWeight: 0 }],
  ] as const)('go on as a run that always had the new %s', async (_, change) => {
    const moved = { ...START, ...change };
    let asked = 0;
    const levered = await run(toyStep(START, true), { levers: () => (asked++ < 5 ? START : moved) });
    const plain = await run(toyStep(moved, false), { resume: await begun(toyStep(START, false), 5) });
    expect(levered.records).toEqual(plain.records);
    expect(levered.bestLatents).toEqual(plain.bestLatents);
    expect(levered.records).not.toEqual((await run(toyStep(START, false))).records);
    expect(levered.moves.map(({ iteration }) => iteration)).toEqual([0, 5]);
  });

  it('choose the best anew when a weight moves: totals of other weights do not compare', async () => {
    const moved = { ...START, rewards: { HPS: 5, CLIP: 100 } };
    let asked = 0;
    const { records, best, bestLatents } = await run(toyStep(START, true), {
      levers: () => (asked++ < 5 ? START : moved),
    });
    const later = records.slice(5).map(({ total }) => total);
    expect(best).toBe(5 + later.indexOf(Math.min(...later)));
    expect(at(records, best).total).toBeGreaterThan(Math.min(...records.map(({ total }) => total)));
    const norm = Math.hypot(...bestLatents);
    expect(norm).toBeCloseTo(at(records, best).norm, 5);
  });

  it('switch a reward off, so that its loss has no part in the total', async () => {
    const off = { ...START, rewards: { HPS: 0, CLIP: 2 ** -6 } };
    const { records } = await run(toyStep(START, true), { levers: () => off, iterations: 3 });
    for (const { total, losses } of records) {
      expect(total).toBeCloseTo(2 ** -6 * (losses.CLIP ?? Number.NaN), 7);
    }
  });

  it('change the optimiser, whose averages were kept all along', async () => {
    const adam = { ...START, optim: 'adam' as const };
    let asked = 0;
    const { records } = await run(toyStep(START, true), { levers: () => (asked++ < 5 ? START : adam) });
    const [bySgd, byAdam] = [await run(toyStep(START, false)), await run(toyStep(adam, false))];
    expect(records.slice(0, 6)).toEqual(bySgd.records.slice(0, 6));
    expect(records[6]).not.toEqual(bySgd.records[6]);
    expect(records[6]).not.toEqual(byAdam.records[6]);
  });

  it('weigh the regulariser by moments and power spectrum as well', async () => {
    const numbers = { gradClip: 0.125, regWeight: 0.25 };
    const levers: Levers = { rewards: { flat: 2, cosine: 5 }, lr: 1, optim: 'sgd', ...numbers };
    const made = async (config: Partial<StepConfig>, options: Partial<LoopOptions> = {}) => {
      const optimizer = { name: 'sgd', lr: 1 } as const;
      const step = seededStep({ kind: 'optimise', optimizer, ...numbers, regularise: gaussianity, ...config });
      const plan = new InterpretedPlan(step);
      const one = { iterations: 3, noise: (i: number) => (i === 0 ? noiseAt(0) : null) };
      return runLoop(plan, step, { ...reordered(one, plan, NOISE_SHAPE, 1), now: () => 0, ...options });
    };
    const plain = await made({});
    const levered = await made({ levers: true, regWeight: 9 }, { levers: () => levers });
    expect(levered.records).toEqual(plain.records);
    expect(levered.records).not.toEqual((await made({ regWeight: 0 })).records);
  });

  it('are part of the state: a run goes on to the same bytes', async () => {
    const moved = { ...START, lr: 0.25, rewards: { HPS: 1, CLIP: 1 } };
    const moves = (from = 0): (() => Levers) => {
      let asked = from;
      return () => (asked++ < 3 ? START : moved);
    };
    const whole = await run(toyStep(START, true), { levers: moves() });
    const state = await begun(toyStep(START, true), 5, { levers: moves() });
    const rest = await run(toyStep(START, true), { levers: moves(5), resume: state });
    expect(rest.records).toEqual(whole.records);
    expect(rest.best).toBe(whole.best);
    expect(rest.moves).toEqual(whole.moves);
  });

  it('refuse values that make no sense, in a sentence', async () => {
    const step = toyStep(START, true);
    await expect(run(step, { levers: () => ({ ...START, lr: Number.NaN }) })).rejects.toThrow('the lever lr is NaN');
    await expect(run(step, { levers: () => ({ ...START, rewards: { HPS: -1, CLIP: 0 } }) })).rejects.toThrow(
      'HPS is -1',
    );
    let asked = 0;
    const less = (): Levers => (asked++ === 0 ? START : { ...START, rewards: { HPS: 1 } });
    await expect(run(step, { levers: less })).rejects.toThrow('CLIP has no weight');
  });
});

describe('noise that is watched', () => {
  it('is the noise of that picture, with its gradient', async () => {
    const { frames, records } = await run(toyStep(START, false), {
      wantsFrame: (i) => i < 4,
      wantsNoise: (i) => i > 1,
    });
    expect(frames.map(({ noise }) => noise !== undefined)).toEqual([false, false, true, true]);
    for (const { iteration, pixels, noise } of frames.slice(2)) {
      expect(Math.hypot(...(noise?.latents ?? []))).toBeCloseTo(at(records, iteration).norm, 5);
      expect(Math.hypot(...(noise?.gradient ?? []))).toBeCloseTo(at(records, iteration).gradNorm ?? 0, 5);
      expect(pixels[0]).toBeCloseTo(1 / (1 + Math.exp(-at(noise?.latents ?? [], 0))), 6);
    }
  });
});

describe('noise that is pushed', () => {
  it('is the noise of that iteration, and the history knows it', async () => {
    const step = toyStep(START, true);
    const start = optimisedNoise(SHAPE, 0);
    const pushed = new Float32Array(12).fill(0.5);
    const noise: LoopOptions['noise'] = (i, past) => (i === 3 ? pushed : start(i, past));
    const { frames, pushes } = await run(step, {
      levers: () => START,
      noise,
      wantsFrame: (i) => i === 3,
      wantsNoise: () => true,
    });
    expect(frames[0]?.noise?.latents).toEqual(pushed);
    expect(pushes).toEqual([3]);
    const state = await begun(step, 5, { levers: () => START, noise });
    expect(state.pushes).toEqual([3]);
    expect((await run(step, { levers: () => START, resume: state })).pushes).toEqual([3]);
  });
});
