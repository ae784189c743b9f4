/** Every way the convolution layer is lowered gives the plain convolution: value and gradients, against the op's f64 reference. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nmse } from '../../../commands/common/distances.ts';
import { fill } from '../../../src/kernels/check/case_values.ts';
import { conv2d, mul, sum } from '../../../src/kernels/index.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { interpret } from '../../../src/tensor/interpreter.ts';
import { opNamed } from '../../../src/tensor/op.ts';
import { compile } from '../../../src/tensor/plan/compile.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import { at } from '../../../src/tensor/types.ts';
import { gradients } from '../../../src/tensor/vjp.ts';
import { testDevice } from '../../support/test_device.ts';

let device: Device;

beforeAll(async () => {
  device = await testDevice();
});

afterAll(() => {
  device.destroy();
});

const layers = [
  { name: '1x1', x: [2, 3, 4, 5], w: [6, 5, 1, 1], stride: 1, padding: 0 },
  { name: '1x1 of stride 2', x: [1, 4, 6, 5], w: [3, 5, 1, 1], stride: 2, padding: 0 },
  { name: 'patches', x: [2, 6, 4, 3], w: [8, 3, 2, 2], stride: 2, padding: 0 },
  { name: 'patches that do not fill the image', x: [1, 7, 4, 3], w: [8, 3, 2, 2], stride: 2, padding: 0 },
  { name: 'to RGB', x: [1, 5, 6, 8], w: [3, 8, 3, 3], stride: 1, padding: 1 },
  { name: 'to 6 channels, stride 2', x: [1, 5, 6, 4], w: [6, 4, 3, 3], stride: 2, padding: 1 },
];

it.each(layers)('$name', async ({ x: xShape, w: wShape, stride, padding }) => {
  const graph = new Graph();
  const x = graph.input('x', xShape, 'step');
  const w = graph.input('w', wShape, 'step');
  const b = graph.input('b', [at(wShape, 0)], 'step');
  const taps = opNamed('transpose').one([w], { permutation: [2, 3, 1, 0] });
  const sides = [padding, padding, padding, padding];
  const plain = opNamed('conv2d').one([x, taps, b], { stride, padding: sides, bias: true, residual: false });
  const layer = conv2d(x, w, b, { stride, padding });
  const r = graph.constant(fill({ shape: plain.shape }, 9), plain.shape);
  const withGradients = (y: Tensor): Tensor[] => [y, ...gradients(sum(mul(y, r)), [x, w, b])];
  const outputs = withGradients(layer);
  const feeds = new Map([
    ['x', fill({ shape: xShape }, 1)],
    ['w', fill({ shape: wShape }, 2)],
    ['b', fill({ shape: b.shape }, 3)],
  ]);
  const plan = await compile(device, { outputs: Object.fromEntries(outputs.map((t, i) => [`y${i}`, t])) });
  for (const [name, data] of feeds) {
    plan.write(name, data);
  }
  plan.run('load');
  plan.run('step');
  const expected = interpret(withGradients(plain), feeds);
  for (let i = 0; i < expected.length; i++) {
    expect(nmse(await plan.read(`y${i}`), at(expected, i)), `output ${i}`).toBeLessThan(1e-7);
  }
  plan.destroy();
});
