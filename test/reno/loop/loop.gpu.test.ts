/** The step graph on the machine's adapter: the interpreter's numbers, and the same bytes every time. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mean, reshape, sigmoid, square, sub } from '../../../src/kernels/index.ts';
import { runLoop, type StepRunner, type Trajectory } from '../../../src/reno/loop/loop.ts';
import { buildStep, type StepGraph } from '../../../src/reno/loop/step_graph.ts';
import type { OptimizerName } from '../../../src/reno/optimizers/optimizer.ts';
import { optimisedNoise } from '../../../src/reno/search/image_select.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { compile } from '../../../src/tensor/plan/compile.ts';
import { at } from '../../../src/tensor/types.ts';
import { testDevice } from '../../support/test_device.ts';
import { InterpretedPlan } from '../interpreted.ts';

const SHAPE = [1, 6, 5, 5];
let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => device.destroy());

function toyStep(name: OptimizerName): StepGraph {
  const graph = new Graph();
  const latents = graph.input('latents', SHAPE, 'step');
  const image = reshape(sigmoid(latents), [1, 5, 10, 3]);
  const rewards = [
    { name: 'HPS', weight: 5, loss: mean(square(sub(image, graph.constant([0.2, 0.4, 0.9], [3])))) },
    { name: 'CLIP', weight: 0.5, loss: reshape(mean(square(sub(image, graph.scalar(0.3)))), [1]) },
  ];
  const optimizer = { name, lr: name === 'sgd' ? 5 : 0.2 };
  return buildStep({ latents, image, rewards }, { kind: 'optimise', optimizer, gradClip: 0.1, regWeight: 0.01 });
}

function run(runner: StepRunner, step: StepGraph): Promise<Trajectory> {
  return runLoop(runner, step, { iterations: 12, noise: optimisedNoise(SHAPE, 3), now: () => 0 });
}

describe.each(['sgd', 'adam'] as const)('ReNO with %s on the GPU', (name) => {
  it('follows the interpreter, and repeats itself bit for bit', async () => {
    const step = toyStep(name);
    using plan = await compile(device, { outputs: step.outputs, updates: step.updates });
    plan.run('load');
    const first = await run(plan, step);
    const second = await run(plan, step);
    expect(second).toEqual(first);

    const expected = await run(new InterpretedPlan(step), step);
    expect(first.best).toBe(expected.best);
    expected.records.forEach((record, i) => {
      const got = at(first.records, i);
      for (const [reward, loss] of Object.entries(record.losses)) {
        expect(Math.abs((got.losses[reward] ?? Number.NaN) / loss - 1)).toBeLessThan(1e-5);
      }
      expect(Math.abs(got.total / record.total - 1)).toBeLessThan(1e-5);
      expect(Math.abs(got.norm / record.norm - 1)).toBeLessThan(1e-5);
      expect(Math.abs((got.gradNorm ?? Number.NaN) / (record.gradNorm ?? 1) - 1)).toBeLessThan(1e-3);
    });
    first.bestLatents.forEach((z, i) => {
      expect(Math.abs(z - at(expected.bestLatents, i))).toBeLessThan(1e-4);
    });
  });
});
