/** The methods beside PyTorch: losses and gradients of ten steps on a small seeded network (python/reference/search_methods.py). */
import { describe, expect, it } from 'vitest';
import { cosine } from '../../../commands/common/distances.ts';
import { runLoop, type Search, type StepRunner, type Trajectory } from '../../../src/reno/loop/loop.ts';
import type { StepConfig, StepGraph } from '../../../src/reno/loop/step_graph.ts';
import { gaussianity, writeOrder } from '../../../src/reno/noise/gaussianity.ts';
import { whiteNoise } from '../../../src/reno/noise/white_noise.ts';
import { multiStart } from '../../../src/reno/search/multi_start.ts';
import { zerothOrder } from '../../../src/reno/search/zeroth_order.ts';
import { at } from '../../../src/tensor/types.ts';
import { InterpretedPlan } from '../interpreted.ts';
import { golden, NOISE_SIZE, noiseAt, seededStep } from '../search_network.ts';

const SGD: StepConfig = { kind: 'optimise', optimizer: { name: 'sgd', lr: 5 }, gradClip: 0.1, regWeight: 0.01 };
const ADAM: StepConfig = { kind: 'optimise', optimizer: { name: 'adam', lr: 0.1 }, gradClip: 0.03, regWeight: 0 };
const CONFIGS = {
  reno: SGD,
  gradient: { ...ADAM, project: { gradient: whiteNoise } },
  latents: { ...SGD, project: { latents: whiteNoise } },
  both: { ...ADAM, project: { gradient: whiteNoise, latents: whiteNoise } },
} as const satisfies Record<string, StepConfig>;
const one: Search = { iterations: 10, noise: (i) => (i === 0 ? noiseAt(0) : null) };

interface Watched extends Trajectory {
  /** The gradient of each whole iteration. */
  readonly gradients: readonly Float32Array[];
  readonly end: Float32Array;
}

async function run(
  step: StepGraph,
  search: Search,
  before: (plan: StepRunner, iteration: number) => void = () => {},
): Promise<Watched> {
  const plan = new InterpretedPlan(step);
  let iteration = 0;
  const gradients: Promise<Float32Array>[] = [];
  const watched: StepRunner = {
    write: (name, data) => plan.write(name, data),
    read: (name) => plan.read(name),
    run: (stage, results) => {
      before(plan, iteration++);
      plan.run(stage, results);
      if (!results) {
        gradients.push(plan.read('noise_gradient'));
      }
    },
  };
  const trajectory = await runLoop(watched, step, { ...search, now: () => 0 });
  return { ...trajectory, gradients: await Promise.all(gradients), end: await plan.read('latents') };
}

async function expectAsPyTorch(name: string, { records, gradients }: Watched): Promise<void> {
  const losses = await golden(`${name}.losses`);
  expect(losses).toHaveLength(records.length);
  records.forEach(({ total }, i) => {
    expect(Math.abs(total - at(losses, i)), `loss of iteration ${i}`).toBeLessThan(1e-4 * at(losses, i));
  });
  const wanted = await golden(`${name}.gradients`);
  expect(wanted).toHaveLength(gradients.length * NOISE_SIZE);
  gradients.forEach((gradient, i) => {
    const other = wanted.slice(i * NOISE_SIZE, (i + 1) * NOISE_SIZE);
    expect(cosine(gradient, other), `gradient of iteration ${i}`).toBeGreaterThan(0.99999);
    expect(Math.hypot(...gradient) / Math.hypot(...other)).toBeCloseTo(1, 3);
  });
}

describe('ten steps, as PyTorch', () => {
  it.each(Object.entries(CONFIGS))('%s', async (name, config) => {
    const made = await run(seededStep(config), one);
    await expectAsPyTorch(name, made);
    expect(cosine(made.end, await golden(`${name}.end`))).toBeGreaterThan(0.99999);
  });

  it('reno with the regulariser by moments and power spectrum', async () => {
    const orders = await golden('orders');
    const step = seededStep({ ...SGD, regWeight: 0.5, regularise: gaussianity });
    const made = await run(step, one, (plan, i) =>
      writeOrder(plan, Int32Array.from(orders.slice(i * NOISE_SIZE, (i + 1) * NOISE_SIZE))),
    );
    await expectAsPyTorch('spectrum', made);
    const values = await golden('spectrum.regularisers');
    made.records.forEach(({ regulariser }, i) => {
      expect(regulariser, `iteration ${i}`).toBeCloseTo(at(values, i), 3);
    });
    expect(cosine(made.end, await golden('spectrum.end'))).toBeGreaterThan(0.99999);
  });

  it('zeroth-order, a round at a time, without a gradient', async () => {
    const draws = await golden('draws');
    const noise = (draw: number) => (draw === 0 ? noiseAt(0) : draws.slice((draw - 1) * NOISE_SIZE, draw * NOISE_SIZE));
    const search = zerothOrder({ iterations: 13, samples: 4, radius: 0.5 }, noise);
    const step = seededStep({ ...SGD, kind: 'score' });
    const { records, best } = await runLoop(new InterpretedPlan(step), step, { ...search, now: () => 0 });
    const losses = await golden('zeroth_order.losses');
    expect(losses).toHaveLength(13);
    records.forEach(({ total }, i) => {
      expect(Math.abs(total - at(losses, i)), `loss of iteration ${i}`).toBeLessThan(1e-4 * at(losses, i));
    });
    expect(best).toBe(losses.indexOf(Math.min(...losses)));
    expect(best).toBeGreaterThan(4);
  });

  it('multi-start', async () => {
    const made = await run(
      seededStep({ ...SGD, judges: true }),
      multiStart({ candidates: 8, chains: 2, steps: 4 }, noiseAt),
    );
    await expectAsPyTorch('multi_start', made);
    const begun = made.records.filter(({ chain }, i) => chain !== undefined && (i - 8) % 4 === 0);
    expect(begun.map(({ draw }) => draw)).toEqual([...(await golden('multi_start.draws'))]);
  });
});
