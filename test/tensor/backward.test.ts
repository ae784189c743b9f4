/** Nodes of a backward pass say so, and keep the path of the module that they differentiate. */
import { expect, test } from 'vitest';
import { mean, relu, square } from '../../src/kernels/index.ts';
import type { DeviceCaps } from '../../src/tensor/device/device_caps.ts';
import { Graph, showPath } from '../../src/tensor/graph.ts';
import { createSchedule } from '../../src/tensor/schedule/planner.ts';
import { workOf } from '../../src/tensor/schedule/summary.ts';
import { at } from '../../src/tensor/types.ts';
import { gradients } from '../../src/tensor/vjp.ts';

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

test('gradients marks the nodes that it adds, and their work counts to the module they go through', () => {
  const graph = new Graph();
  const x = graph.input('x', [8, 8], 'step');
  const loss = graph.scope('unet', () => graph.scope('block', () => mean(square(relu(x)))));
  const forward = graph.nodes.length;
  const [dx] = gradients(loss, [x]);
  expect(graph.nodes.slice(0, forward).some((node) => node.backward)).toBe(false);
  const added = graph.nodes.slice(forward).filter((node) => node.op);
  expect(added.length).toBeGreaterThan(0);
  expect(added.map((node) => [node.backward, node.path])).toEqual(added.map(() => [true, 'unet.block']));
  expect(showPath(at(added, 0))).toBe('backward unet.block');

  const outputs = { loss, dx: dx ?? loss };
  const work = workOf(createSchedule({ outputs, fuse: false }, CAPS));
  expect(new Set(work.map(({ module }) => module))).toEqual(new Set(['unet.block']));
  expect(new Set(work.map(({ backward }) => backward))).toEqual(new Set([false, true]));
});

test('a node traced after gradients is no backward node', () => {
  const graph = new Graph();
  const x = graph.input('x', [4], 'step');
  gradients(mean(square(x)), [x]);
  expect(relu(x).node.backward).toBe(false);
});
