/** The projection on white noise on the GPU, in f32, beside the f64 interpreter. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nmse } from '../../../commands/common/distances.ts';
import { drawNoise } from '../../../src/reno/noise/draw_noise.ts';
import { whiteNoise } from '../../../src/reno/noise/white_noise.ts';
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

it.each([
  ['Gaussian noise', 1],
  ['a gradient of 1e-9', 1e-9],
])('is that of the interpreter: %s', async (_, scale) => {
  const graph = new Graph();
  const shape = [1, 4, 16, 24];
  const output = whiteNoise(graph.input('x', shape, 'step'));
  const x = drawNoise(shape, 9).map((v, i) => scale * (v + Math.cos(i / 50)));
  using plan = await compile(device, { outputs: { output } });
  plan.write('x', x);
  await plan.step();
  const made = await plan.read('output');
  expect(nmse(made, at(interpret([output], new Map([['x', x]])), 0))).toBeLessThan(1e-10);
});
