/** Upsampling joined with the convolution behind it is the two one after another: value and gradients. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nmse } from '../../../commands/common/distances.ts';
import { fill } from '../../../src/kernels/check/case_values.ts';
import { conv2d, mul, sum, upsampleConv2d, upsampleNearest } from '../../../src/kernels/index.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { interpret } from '../../../src/tensor/interpreter.ts';
import { compile } from '../../../src/tensor/plan/compile.ts';
import { createSchedule } from '../../../src/tensor/schedule/planner.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import type { DType, Shape } from '../../../src/tensor/types.ts';
import { at } from '../../../src/tensor/types.ts';
import { gradients } from '../../../src/tensor/vjp.ts';
import { testDevice } from '../../support/test_device.ts';

interface Layer {
  readonly name: string;
  readonly x: Shape;
  readonly w: Shape;
  readonly factor?: number;
  readonly bias?: boolean;
}

const LAYERS: readonly Layer[] = [
  { name: '8 channels', x: [1, 3, 4, 8], w: [8, 8, 3, 3], bias: true },
  { name: 'one pixel', x: [1, 1, 1, 4], w: [8, 4, 3, 3], bias: true },
  { name: 'two images, odd input channels, no bias', x: [2, 3, 2, 5], w: [12, 5, 3, 3] },
  { name: 'to 6 channels', x: [1, 3, 4, 4], w: [6, 4, 3, 3], bias: true },
  { name: 'by 3', x: [1, 2, 3, 4], w: [4, 4, 3, 3], factor: 3, bias: true },
  { name: 'a 5x5 kernel', x: [1, 3, 3, 4], w: [4, 4, 5, 5] },
];

/** The layer in one and in two, both of the same inputs. */
function traced({ x: xShape, w: wShape, factor = 2, bias }: Layer, dtype: DType = 'f32', weights = dtype) {
  const graph = new Graph();
  const x = graph.input('x', xShape, 'step', dtype);
  const w = graph.input('w', wShape, 'load', weights);
  const b = bias ? graph.input('b', [at(wShape, 0)], 'load', weights) : null;
  const joined = upsampleConv2d(x, factor, w, b);
  const apart = conv2d(upsampleNearest(x, factor), w, b, { padding: (at(wShape, 2) - 1) / 2 });
  const feeds = new Map([
    ['x', fill({ shape: xShape, dtype }, 1)],
    ['w', fill({ shape: wShape, dtype: weights, scale: 0.3 }, 2)],
    ...(b ? [['b', fill({ shape: b.shape, dtype: weights }, 3)] as const] : []),
  ]);
  const withGradients = (y: Tensor, wrt: readonly Tensor[]): Tensor[] => {
    const weighted = mul(y, graph.constant(fill({ shape: y.shape }, 9), y.shape));
    return [y, ...gradients(sum(mul(y, weighted)), wrt)];
  };
  return { x, all: b ? [x, w, b] : [x, w], joined, apart, feeds, withGradients };
}

it.each(LAYERS)('$name: the interpreter agrees, weights included', (layer) => {
  const { all, joined, apart, feeds, withGradients } = traced(layer);
  const ours = interpret(withGradients(joined, all), feeds);
  const theirs = interpret(withGradients(apart, all), feeds);
  ours.forEach((value, i) => {
    expect(nmse(value, at(theirs, i)), `output ${i}`).toBeLessThan(1e-28);
  });
});

/** Weights large enough that `keepLayouts: false` holds them once. */
const LARGE: Layer = { name: 'large', x: [1, 3, 5, 112], w: [112, 112, 3, 3], bias: true };

describe('plans', () => {
  let device: Device;

  beforeAll(async () => {
    device = await testDevice();
  });

  afterAll(() => {
    device.destroy();
  });

  it.each([
    { dtype: 'f32', weights: 'f32', keepLayouts: true, bound: 1e-12 },
    { dtype: 'f32', weights: 'f32', keepLayouts: false, bound: 1e-12 },
    { dtype: 'f32', weights: 'f16', keepLayouts: false, bound: 1e-12 },
    // Sums of taps are rounded to f16 once more: a relative error of 2^-11 at most, as of every stored value.
    { dtype: 'f16', weights: 'f16', keepLayouts: false, bound: 1e-6 },
  ] as const)('$dtype by $weights, layouts kept: $keepLayouts', async ({ dtype, weights, keepLayouts, bound }) => {
    const { x, joined, apart, feeds, withGradients } = traced(LARGE, dtype, weights);
    const outputs = withGradients(joined, [x]);
    const spec = { outputs: Object.fromEntries(outputs.map((t, i) => [`y${i}`, t])), keepLayouts };
    const made = createSchedule(spec, device.caps);
    expect(made.steps.step.map(({ node }) => node.op?.name)).not.toContain('upsample_nearest');
    // The weight itself is gone after the load stage; of the sums there is one layout, or one for each direction.
    expect(made.buffers.find(({ name }) => name === 'w')?.loadOnly).toBe(true);
    const bytes = 16 * 112 * 112 * (dtype === 'f16' ? 2 : 4);
    const sums = made.buffers.filter((buffer) => buffer.kind === 'persistent' && buffer.bytes === bytes);
    expect(sums.length).toBe(keepLayouts ? 2 : 1);
    const plan = await compile(device, spec);
    for (const [name, data] of feeds) {
      plan.write(name, data);
    }
    plan.run('load');
    plan.run('step');
    const expected = interpret(withGradients(apart, [x]), feeds);
    for (let i = 0; i < expected.length; i++) {
      expect(nmse(await plan.read(`y${i}`), at(expected, i)), `output ${i}`).toBeLessThan(bound);
    }
    plan.destroy();
  });
});
