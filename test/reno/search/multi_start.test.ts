import { describe, expect, it } from 'vitest';
import { mean, reshape, sigmoid, square, sub } from '../../../src/kernels/index.ts';
import { type LoopOptions, runLoop, type Trajectory } from '../../../src/reno/loop/loop.ts';
import type { LoopState } from '../../../src/reno/loop/run_state.ts';
import { buildStep, type StepGraph } from '../../../src/reno/loop/step_graph.ts';
import { noiseDraws } from '../../../src/reno/noise/draw_noise.ts';
import { iterationsOf, multiStartOf } from '../../../src/reno/search/method.ts';
import { multiStart } from '../../../src/reno/search/multi_start.ts';
import { type MultiStart, multiStartFor, searchCost } from '../../../src/reno/search/multi_start_size.ts';
import { REFERENCE_SETTINGS } from '../../../src/reno/settings/settings.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { interpret } from '../../../src/tensor/interpreter.ts';
import { at } from '../../../src/tensor/types.ts';
import { gradients } from '../../../src/tensor/vjp.ts';
import { InterpretedPlan } from '../interpreted.ts';

const SHAPE = [1, 3, 2, 2];
const [LR, CLIP, WEIGHT] = [4, 0.1, 0.01];
const search: MultiStart = { candidates: 6, chains: 2, steps: 3 };
const draws = noiseDraws(SHAPE, 3, 'reno');

/** A reward that likes a grey-blue picture. */
function toyStep(): StepGraph {
  const graph = new Graph();
  const latents = graph.input('latents', SHAPE, 'step');
  const image = reshape(sigmoid(latents), [1, 2, 2, 3]);
  const loss = mean(square(sub(image, graph.constant([0.2, 0.4, 0.9], [3]))));
  const rewards = [{ name: 'HPS', weight: 5, loss }];
  const optimizer = { name: 'sgd', lr: LR } as const;
  return buildStep(
    { latents, image, rewards },
    { kind: 'optimise', optimizer, gradClip: CLIP, regWeight: WEIGHT, judges: true },
  );
}

function run(plan: InterpretedPlan, step: StepGraph, more: Partial<LoopOptions> = {}): Promise<Trajectory> {
  return runLoop(plan, step, { ...multiStart(search, draws, 10), now: () => 0, ...more });
}

/** The loss at a noise, and its gradient with the regulariser's, by a graph of their own. */
function plain(z: Float64Array): { loss: number; gradient: Float64Array } {
  const graph = new Graph();
  const x = graph.input('x', SHAPE, 'step');
  const loss = mean(square(sub(reshape(sigmoid(x), [1, 2, 2, 3]), graph.constant([0.2, 0.4, 0.9], [3]))));
  const [value, slope] = interpret([loss, gradients(loss, [x])[0]], new Map([['x', z]]));
  const squared = z.reduce((s, v) => s + v * v, 0);
  const pull = WEIGHT * (1 - (z.length - 1) / squared);
  return { loss: 5 * at(value ?? [], 0), gradient: z.map((v, i) => 5 * at(slope ?? [], i) + pull * v) };
}

/** Losses of an ascent by clipped SGD with Nesterov momentum, in f64. */
function ascent(start: Float32Array, steps: number): number[] {
  let z = Float64Array.from(start);
  let buffer = new Float64Array(z.length);
  return Array.from({ length: steps }, () => {
    const { loss, gradient } = plain(z);
    const factor = Math.min(1, CLIP / (Math.hypot(...gradient) + 1e-6));
    buffer = buffer.map((b, i) => 0.9 * b + factor * at(gradient, i));
    z = z.map((v, i) => v - LR * (factor * at(gradient, i) + 0.9 * at(buffer, i)));
    return loss;
  });
}

describe('a search from many noises', () => {
  it('judges every candidate, then ascends the best from their own draws, each with an optimiser of its own', async () => {
    const step = toyStep();
    const { records, best, initImage, bestImage, bestLatents } = await run(new InterpretedPlan(step), step);
    const judged = Array.from({ length: 6 }, (_, i) => plain(Float64Array.from(draws(10 + i))).loss);
    const order = judged.map((_, i) => i).sort((a, b) => at(judged, a) - at(judged, b));
    const wanted = [...judged, ...order.slice(0, 2).flatMap((i) => ascent(draws(10 + i), 3))];
    expect(records).toHaveLength(12);
    records.forEach(({ total }, i) => {
      expect(total, `iteration ${i}`).toBeCloseTo(at(wanted, i), 5);
    });
    expect(records.map(({ draw, chain }) => [draw, chain])).toEqual([
      ...judged.map((_, i) => [10 + i, undefined]),
      ...order.slice(0, 2).flatMap((i, chain) => [0, 1, 2].map(() => [10 + i, chain])),
    ]);
    expect(best).toBe(wanted.indexOf(Math.min(...wanted)));
    expect(best).toBeGreaterThan(5);
    expect(initImage).toEqual(Float32Array.from(draws(10), (z) => 1 / (1 + Math.exp(-z))));
    expect(bestImage).toEqual(Float32Array.from(bestLatents, (z) => 1 / (1 + Math.exp(-z))));
  });

  it('computes no gradient for candidates and for the last picture of an ascent', async () => {
    const step = toyStep();
    const plan = new InterpretedPlan(step);
    const { records } = await run(plan, step);
    const whole = records.map(({ gradNorm }) => gradNorm !== undefined);
    expect(whole).toEqual([...new Array(6).fill(false), true, true, false, true, true, false]);
    expect(searchCost(search)).toBe(records.length + whole.filter(Boolean).length);
  });

  it('takes the earlier of two equal candidates', async () => {
    const same = multiStart(search, () => draws(0), 4);
    const step = toyStep();
    const { records } = await run(new InterpretedPlan(step), step, same);
    expect(records.filter(({ chain }) => chain !== undefined).map(({ draw }) => draw)).toEqual([4, 4, 4, 5, 5, 5]);
  });

  it.each([3, 6, 8, 9, 10])('goes on from iteration %d to the same bytes', async (stop) => {
    const step = toyStep();
    const whole = await run(new InterpretedPlan(step), step);
    const states: LoopState[] = [];
    await run(new InterpretedPlan(step), step, { saveEvery: 1, onState: (state) => void states.push(state) });
    const resume = states.find(({ iteration }) => iteration === stop);
    expect(resume).toBeDefined();
    const again = await run(new InterpretedPlan(step), step, resume ? { resume } : {});
    expect(again).toEqual(whole);
  });

  it('costs at most what one run costs, for every number of iterations', () => {
    expect(multiStartFor(50)).toEqual({ candidates: 40, chains: 3, steps: 10 });
    expect(searchCost(multiStartFor(50))).toBe(97);
    for (let iterations = 2; iterations <= 300; iterations++) {
      const chosen = multiStartFor(iterations);
      expect(searchCost(chosen)).toBeLessThanOrEqual(2 * iterations - 1);
      expect(Math.min(chosen.candidates, chosen.chains, chosen.steps)).toBeGreaterThan(0);
      expect(chosen.chains).toBeLessThanOrEqual(chosen.candidates);
    }
  });

  it('has the size that the settings say, and never ascends more than it judges by itself', () => {
    const settings = { ...REFERENCE_SETTINGS, mode: 'multi-start' } as const;
    expect(iterationsOf(settings)).toBe(70);
    expect(multiStartOf({ ...settings, candidates: 3 })).toEqual({ candidates: 3, chains: 3, steps: 10 });
    expect(multiStartOf({ ...settings, chains: 50, chainSteps: 1 })).toEqual({ candidates: 50, chains: 50, steps: 1 });
  });
});
