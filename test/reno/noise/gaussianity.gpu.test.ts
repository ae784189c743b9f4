/** The regulariser by moments and power spectrum on the GPU, in f32, beside the f64 interpreter. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nmse } from '../../../commands/common/distances.ts';
import { drawNoise } from '../../../src/reno/noise/draw_noise.ts';
import { gaussianity, writeOrder } from '../../../src/reno/noise/gaussianity.ts';
import { permutation } from '../../../src/reno/noise/permutation.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { interpret } from '../../../src/tensor/interpreter.ts';
import { compile } from '../../../src/tensor/plan/compile.ts';
import { at } from '../../../src/tensor/types.ts';
import { testDevice } from '../../support/test_device.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => device.destroy());

it('has the value and the gradient of the interpreter, and those of another order after another write', async () => {
  const graph = new Graph();
  const shape = [1, 4, 16, 24];
  const { value, added } = gaussianity(graph.input('z', shape, 'step'), 0.7);
  const gradient = added(graph.input('g', shape, 'step'));
  using plan = await compile(device, { outputs: { value, gradient } });
  const feeds = new Map<string, ArrayLike<number>>([
    ['z', drawNoise(shape, 9).map((v, i) => v + 0.3 * Math.cos(i / 50))],
    ['g', drawNoise(shape, 4).map((v) => 1e-3 * v)],
  ]);
  plan.write(Object.fromEntries(feeds));
  const values: number[] = [];
  for (const iteration of [0, 1]) {
    const order = permutation(1536, 5, iteration);
    writeOrder(plan, order);
    writeOrder({ write: (name, data) => void feeds.set(name, data) }, order);
    await plan.step();
    const [v, g] = interpret([value, gradient], feeds);
    values.push(at(await plan.read('value'), 0));
    expect(values.at(-1)).toBeCloseTo(at(v ?? [], 0), 5);
    expect(nmse(await plan.read('gradient'), g ?? [])).toBeLessThan(1e-9);
  }
  expect(values[1]).not.toBeCloseTo(at(values, 0), 3);
});
