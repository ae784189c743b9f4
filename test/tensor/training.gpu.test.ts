/** The same rules can train: a small network learns in our own engine, and its weight gradients are the interpreter's. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nmse } from '../../commands/common/distances.ts';
import { fill, normal, uniform } from '../../src/kernels/check/case_values.ts';
import {
  add,
  affine,
  attention,
  conv2d,
  div,
  groupNorm,
  layerNorm,
  linear,
  log,
  mean,
  mul,
  reshape,
  softmax,
  sqrt,
  square,
  sub,
  sum,
} from '../../src/kernels/index.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { Graph } from '../../src/tensor/graph.ts';
import { interpret } from '../../src/tensor/interpreter.ts';
import { compile } from '../../src/tensor/plan/compile.ts';
import type { Update } from '../../src/tensor/schedule/plan_spec.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { at, sizeOf } from '../../src/tensor/types.ts';
import { gradients } from '../../src/tensor/vjp.ts';
import { testDevice } from '../support/test_device.ts';

const BATCH = 8;
const SIDE = 8;
const CLASSES = 4;
const RATE = 0.02;

let device: Device;

beforeAll(async () => {
  device = await testDevice();
});

afterAll(() => {
  device.destroy();
});

const SHAPES: Readonly<Record<string, readonly number[]>> = {
  'conv1.weight': [8, 3, 3, 3],
  'conv1.bias': [8],
  'norm.weight': [8],
  'norm.bias': [8],
  'conv2.weight': [12, 8, 3, 3],
  'qkv.weight': [36, 12],
  'layer_norm.weight': [12],
  'layer_norm.bias': [12],
  'head.weight': [CLASSES, 12],
};

/** Convolutions, group norm, attention, layer norm, linear, cross-entropy. */
function classifier(graph: Graph): { loss: Tensor; weights: Map<string, Tensor> } {
  const weights = new Map(Object.entries(SHAPES).map(([name, shape]) => [name, graph.input(name, shape, 'step')]));
  const w = (name: string): Tensor => at([...weights.values()], Object.keys(SHAPES).indexOf(name));
  const images = graph.input('images', [BATCH, SIDE, SIDE, 3], 'step');
  const labels = graph.input('labels', [BATCH, CLASSES], 'step');
  let h = conv2d(images, w('conv1.weight'), w('conv1.bias'), { padding: 1, stride: 2 });
  h = groupNorm(h, w('norm.weight'), w('norm.bias'), { groups: 4, eps: 1e-5, silu: true });
  h = conv2d(h, w('conv2.weight'), null, { padding: 1 });
  let tokens = reshape(h, [BATCH, 16, 12]);
  const parts = [0, 1, 2].map((i) => {
    const rows = Float64Array.from({ length: 36 * 12 }, (_, k) => (Math.floor(k / 36) + i * 12 === k % 36 ? 1 : 0));
    return linear(linear(tokens, w('qkv.weight')), graph.constant(rows, [12, 36]));
  });
  tokens = add(tokens, attention(at(parts, 0), at(parts, 1), at(parts, 2), { heads: 3 }));
  tokens = layerNorm(tokens, w('layer_norm.weight'), w('layer_norm.bias'), 1e-5);
  const p = softmax(linear(mean(tokens, [1]), w('head.weight')));
  const loss = affine(sum(mul(labels, log(affine(p, 1, 1e-6)))), -1 / BATCH);
  return { loss, weights };
}

/** Adam without bias correction of the rate: enough for a test. */
function adam(graph: Graph, loss: Tensor, weights: ReadonlyMap<string, Tensor>): Update[] {
  const grads = gradients(loss, [...weights.values()]);
  return [...weights].flatMap(([name, weight], i) => {
    const g = at(grads, i);
    const m = graph.input(`${name}.m`, weight.shape, 'step');
    const v = graph.input(`${name}.v`, weight.shape, 'step');
    const mNext = add(affine(m, 0.9), affine(g, 0.1));
    const vNext = add(affine(v, 0.95), affine(square(g), 0.05));
    const step = div(affine(mNext, RATE), affine(sqrt(vNext), 1, 1e-4));
    return [
      { state: weight, value: sub(weight, step) },
      { state: m, value: mNext },
      { state: v, value: vNext },
    ];
  });
}

/** Noise with one bright quadrant; the label is which. */
function batch(seed: number): { images: Float64Array; labels: Float64Array } {
  const next = uniform(seed);
  const gauss = normal(seed + 1);
  const images = Float64Array.from({ length: BATCH * SIDE * SIDE * 3 }, () => 0.5 * gauss());
  const labels = new Float64Array(BATCH * CLASSES);
  for (let b = 0; b < BATCH; b++) {
    const quadrant = Math.floor(next() * CLASSES);
    labels[b * CLASSES + quadrant] = 1;
    for (let i = 0; i < 16 * 3; i++) {
      const y = Math.floor(i / 12) + (quadrant >> 1) * 4;
      const x = (Math.floor(i / 3) % 4) + (quadrant & 1) * 4;
      const k = ((b * SIDE + y) * SIDE + x) * 3 + (i % 3);
      images[k] = at(images, k) + 1;
    }
  }
  return { images, labels };
}

function initial(): Map<string, Float64Array> {
  return new Map(
    Object.entries(SHAPES).flatMap(([name, shape], i) => {
      const isScale = name === 'norm.weight' || name === 'layer_norm.weight';
      const scale = shape.length === 1 ? 0 : 1 / Math.sqrt(sizeOf(shape) / at(shape, 0));
      const data = isScale ? new Float64Array(at(shape, 0)).fill(1) : fill({ shape, scale }, 50 + i);
      const zeros = new Float64Array(sizeOf(shape));
      return [[name, data] as const, [`${name}.m`, zeros] as const, [`${name}.v`, zeros] as const];
    }),
  );
}

it('has the weight gradients of the interpreter', async () => {
  const graph = new Graph();
  const { loss, weights } = classifier(graph);
  const grads = gradients(loss, [...weights.values()]);
  const { images, labels } = batch(1);
  const all = [...initial(), ['images', images] as const, ['labels', labels] as const];
  const feeds = new Map(all.filter(([name]) => graph.inputs.has(name)));
  const plan = await compile(device, { outputs: Object.fromEntries(grads.map((g, i) => [`g${i}`, g])) });
  for (const [name, data] of feeds) {
    plan.write(name, data);
  }
  plan.run('load');
  plan.run('step');
  const expected = interpret(grads, feeds);
  for (let i = 0; i < grads.length; i++) {
    expect(nmse(await plan.read(`g${i}`), at(expected, i)), Object.keys(SHAPES)[i]).toBeLessThan(1e-9);
  }
  plan.destroy();
});

it('learns which quadrant is bright', async () => {
  const graph = new Graph();
  const { loss, weights } = classifier(graph);
  const plan = await compile(device, { outputs: { loss }, updates: adam(graph, loss, weights) });
  for (const [name, data] of initial()) {
    plan.write(name, data);
  }
  plan.run('load');
  const losses: number[] = [];
  for (let i = 0; i < 60; i++) {
    const { images, labels } = batch(100 + i);
    plan.write('images', images);
    plan.write('labels', labels);
    plan.run('step');
    losses.push(at(await plan.read('loss'), 0));
  }
  const average = (from: number): number => losses.slice(from, from + 5).reduce((a, b) => a + b, 0) / 5;
  expect(average(0)).toBeGreaterThan(1);
  expect(average(55)).toBeLessThan(0.3 * average(0));
  plan.destroy();
});
