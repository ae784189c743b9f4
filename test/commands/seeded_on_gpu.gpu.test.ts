/** Weights that a kernel makes are those that commands/fullsize would have written; nothing is read from a file. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BYTES, fillValues, keyOf, lookup } from '../../commands/fullsize/seeded_values.ts';
import { spreadOf } from '../../commands/fullsize/spread.ts';
import { seedWeights } from '../../commands/selftest/seeded_on_gpu.ts';
import { add, cast, sum } from '../../src/kernels/index.ts';
import type { TensorEntry, TensorFile } from '../../src/models/checkpoint/tensor_file.ts';
import { WeightStore } from '../../src/models/weights/weight_store.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { Graph } from '../../src/tensor/graph.ts';
import { compile } from '../../src/tensor/plan/compile.ts';
import { nmse } from '../../src/tensor/tuning/nmse.ts';
import type { Shape } from '../../src/tensor/types.ts';
import { sizeOf } from '../../src/tensor/types.ts';
import { testDevice } from '../support/test_device.ts';

const SHAPES: Readonly<Record<string, Shape>> = {
  'conv1.weight': [8, 4, 3, 3],
  'norm.weight': [33],
  'attn1.to_q.weight': [300, 700],
};

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => device.destroy());

/** A checkpoint whose values cannot be read. */
function unreadable(dtype: 'F16' | 'F32'): TensorFile {
  const entries = Object.entries(SHAPES).map(([name, shape]): [string, TensorEntry] => [name, { name, dtype, shape }]);
  return {
    source: { name: 'no values' },
    entries: new Map(entries),
    read: async (name) => {
      throw new Error(`${name} was read`);
    },
  };
}

function expected(name: string, shape: Shape): Float32Array {
  const { mean, std } = spreadOf(name, shape);
  const values = new Float32Array(sizeOf(shape));
  fillValues(values, lookup(mean, std, 'F32'), keyOf(`weights.${name}`), 0);
  return values;
}

it.each(['F16', 'F32'] as const)('%s weights', async (dtype) => {
  const graph = new Graph();
  const store = new WeightStore(graph, [unreadable(dtype)]);
  const outputs = Object.fromEntries(
    Object.entries(SHAPES).map(([name, shape]) => [name, cast(store.get(name, shape), 'f32')]),
  );
  using plan = await compile(device, { outputs });
  const bytes = await seedWeights(device, plan, [store]);
  expect(bytes).toBe(
    Object.values(SHAPES).reduce((n, shape) => n + Math.ceil((sizeOf(shape) * BYTES[dtype]) / 4) * 4, 0),
  );
  await plan.run('load');
  for (const [name, shape] of Object.entries(SHAPES)) {
    const got = await plan.read(name);
    expect(nmse(got, expected(name, shape)), name).toBeLessThan(dtype === 'F16' ? 1e-6 : 1e-12);
  }
});

it('streamed weights have the spread of their tensors', async () => {
  const graph = new Graph();
  const store = new WeightStore(graph, [unreadable('F16')]);
  const w = store.get('attn1.to_q.weight', [300, 700]);
  const x = graph.input('x', [300, 700], 'prompt');
  using plan = await compile(device, { outputs: { y: add(x, cast(w, 'f32')), total: sum(x) }, streamPrompt: true });
  expect([...plan.schedule.streams.keys()]).toEqual(['weights.attn1.to_q.weight']);
  await seedWeights(device, plan, [store]);
  plan.write('x', new Float32Array(300 * 700));
  await plan.run('load');
  await plan.run('prompt');
  const values = await plan.read('y');
  const { std } = spreadOf('attn1.to_q.weight', [300, 700]);
  const measured = Math.sqrt(values.reduce((n, v) => n + v * v, 0) / values.length);
  expect(measured / std).toBeGreaterThan(0.98);
  expect(measured / std).toBeLessThan(1.02);
});
