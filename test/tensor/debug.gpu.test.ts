/** The debug ladder says what a plan is, and finds the node that is wrong. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { debugLevel, planningFromEnvironment } from '../../src/cli/debug_variable.ts';
import { fill } from '../../src/kernels/check/case_values.ts';
import { add, linear, silu } from '../../src/kernels/index.ts';
import {
  describeKernels,
  describePlan,
  describeSchedule,
  firstDivergence,
  kernelTimes,
} from '../../src/tensor/debug.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { Graph } from '../../src/tensor/graph.ts';
import { defineOp } from '../../src/tensor/op.ts';
import { compile } from '../../src/tensor/plan/compile.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { at } from '../../src/tensor/types.ts';
import { testDevice } from '../support/test_device.ts';

let device: Device;

beforeAll(async () => {
  device = await testDevice();
});

afterAll(() => {
  device.destroy();
});

/** An op whose kernel is wrong: it should double, and triples. */
const liar = defineOp<Record<string, never>>({
  name: 'test_liar',
  infer: ([x]) => [at([x ?? { dtype: 'f32', shape: [] }], 0)],
  reference: ([x]) => [(x?.data ?? new Float64Array()).map((v) => 2 * v)],
  variants: [
    {
      name: 'naive',
      dispatches: (site) => [
        {
          label: 'test_liar.naive',
          code: '@compute @workgroup_size(32) fn main(@builtin(global_invocation_id) id: vec3u) { if (id.x < params.n) { store_y(id.x, 3.0 * load_x(id.x)); } }',
          params: { n: 12 * Number(site.outputs.length) },
          bindings: [
            { name: 'x', ref: { input: 0 }, access: 'read' },
            { name: 'y', ref: { output: 0 }, access: 'write' },
          ],
          workgroups: [1, 1, 1],
        },
      ],
    },
  ],
  cost: () => ({ flops: 12, bytes: 96 }),
  cases: [],
});

function network(middle: (x: Tensor) => Tensor): { outputs: { y: Tensor }; feeds: Map<string, Float64Array> } {
  const graph = new Graph();
  const x = graph.input('x', [3, 4], 'step');
  const w = graph.input('w', [4, 4], 'load');
  const h = graph.scope('block.0', () => silu(linear(x, w)));
  const y = graph.scope('block.1', () => add(middle(h), x));
  const feeds = new Map([
    ['x', fill({ shape: [3, 4] }, 1)],
    ['w', fill({ shape: [4, 4] }, 2)],
  ]);
  return { outputs: { y }, feeds };
}

it('finds nothing where every kernel is right', async () => {
  const { outputs, feeds } = network((h) => silu(h));
  expect(await firstDivergence(device, { outputs }, feeds)).toBeNull();
});

it('names the first wrong node with its module path', async () => {
  const { outputs, feeds } = network((h) => liar.one([h], {}));
  const found = await firstDivergence(device, { outputs }, feeds);
  expect(found).toMatchObject({ op: 'test_liar', path: 'block.1', type: 'f32[3,4]' });
  expect(found?.nmse).toBeCloseTo(0.25, 3);
});

it('describes a plan: summary, schedule, WGSL, times', async () => {
  const { outputs, feeds } = network((h) => silu(h));
  using plan = await compile(device, { outputs });
  for (const [name, data] of feeds) {
    plan.write(name, data);
  }
  plan.run('load');
  plan.run('step');
  expect(describePlan(plan)).toMatch(/step 1 dispatches/);
  expect(describeSchedule(plan.schedule)).toMatch(/step 0 matmul\.\w+\+silu\+silu\+add \[.*f32\[3,4\].* block\.0/);
  expect(describeKernels(plan.schedule, device.caps)).toContain('@compute');
  const times = kernelTimes((await plan.profile('step')) ?? []);
  expect(times.map((t) => t.count).reduce((a, b) => a + b, 0)).toBe(1);
  expect(times.find((t) => t.label.startsWith('matmul'))?.count).toBe(1);
});

it('reads DEBUG and KERNEL', () => {
  expect([debugLevel(''), debugLevel('reno'), debugLevel('vitest,reno:3'), debugLevel('other:2')]).toEqual([
    0, 1, 3, 0,
  ]);
  expect(planningFromEnvironment('matmul:naive').variants).toEqual({ matmul: 'naive' });
  expect(() => planningFromEnvironment('matmul:v99')).toThrow(/^KERNEL: matmul has no variant v99; it has .*naive$/);
  expect(() => planningFromEnvironment('nothing:naive')).toThrow(/op "nothing", which does not exist/);
});
