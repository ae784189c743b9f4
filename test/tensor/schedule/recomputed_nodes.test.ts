/** Within a budget some nodes run twice: the copies say so, count to their module, and the schedule fits. */
import { expect, test } from 'vitest';
import { gelu, linear, mean, square } from '../../../src/kernels/index.ts';
import type { DeviceCaps } from '../../../src/tensor/device/device_caps.ts';
import { Graph, showPath } from '../../../src/tensor/graph.ts';
import { createSchedule } from '../../../src/tensor/schedule/planner.ts';
import type { Schedule } from '../../../src/tensor/schedule/schedule.ts';
import { summarize, workOf } from '../../../src/tensor/schedule/summary.ts';
import { gradients } from '../../../src/tensor/vjp.ts';

const CAPS: DeviceCaps = {
  f16: false,
  subgroups: false,
  subgroupMinSize: 1,
  subgroupMaxSize: 1,
  software: false,
  maxWorkgroupStorage: 16384,
  maxInvocations: 256,
  maxStorageBuffers: 8,
};
const ROWS = 4096;
const WIDTH = 16;

/** Eight layers with small weights and large activations, forward and backward. */
function scheduled(budget?: number): Schedule {
  const graph = new Graph();
  const z = graph.input('z', [ROWS, WIDTH], 'step');
  const loss = graph.scope('unet', () => {
    let x = z;
    for (let i = 0; i < 8; i++) {
      x = graph.scope('block', () => gelu(linear(x, graph.input(`w.${i}`, [WIDTH, WIDTH], 'load'))));
    }
    return mean(square(x));
  });
  const [gradient] = gradients(loss, [z]);
  return createSchedule({ outputs: { loss, gradient }, ...(budget === undefined ? {} : { budget }) }, CAPS);
}

const copies = ({ steps }: Schedule) => steps.step.map(({ node }) => node).filter((node) => node.recomputed);

test('without a budget nothing runs twice', () => {
  expect(copies(scheduled())).toEqual([]);
});

test('a budget below the peak has nodes run twice, each known as a copy in its module', () => {
  const whole = scheduled();
  const budget = summarize(whole).memory.peak - 2 * ROWS * WIDTH * 4;
  const schedule = scheduled(budget);
  const { memory, dispatches } = summarize(schedule);
  expect(memory.peak).toBeLessThanOrEqual(budget);
  expect(dispatches.step).toBeGreaterThan(summarize(whole).dispatches.step);
  const added = copies(schedule);
  expect(added.length).toBeGreaterThan(0);
  for (const node of added) {
    expect(showPath(node)).toBe('recomputed unet.block');
    expect(node.backward).toBe(false);
  }
  const modules = (of: Schedule) => new Set(workOf(of).map(({ module }) => module));
  expect(modules(schedule)).toEqual(modules(whole));
});
