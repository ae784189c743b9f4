/** Tuning on a real device: what is timed is the op itself, and a plan then runs the winner. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nmse } from '../../../commands/common/distances.ts';
import { fill } from '../../../src/kernels/check/case_values.ts';
import { add, linear, softmax } from '../../../src/kernels/index.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { interpret } from '../../../src/tensor/interpreter.ts';
import { compile } from '../../../src/tensor/plan/compile.ts';
import { createSchedule } from '../../../src/tensor/schedule/planner.ts';
import { sitesOf, tuneSites, untuned } from '../../../src/tensor/tuning/autotune.ts';
import type { TunedSite } from '../../../src/tensor/tuning/choose.ts';
import { testDevice } from '../../support/test_device.ts';

let device: Device;

beforeAll(async () => {
  device = await testDevice();
});

afterAll(() => {
  device.destroy();
});

/** A product with a sum in its store, and a layer of rows. */
function network() {
  const graph = new Graph();
  const x = graph.input('x', [40, 64], 'step');
  const w = graph.input('w', [96, 64], 'step');
  const z = graph.input('z', [40, 96], 'step');
  const y = softmax(add(linear(x, w), z));
  const feeds = new Map([x, w, z].map((t, i) => [t.node.name ?? '', fill({ shape: t.shape }, i)] as const));
  return { y, feeds };
}

it.each(['gpu', 'wall'] as const)('times every candidate of every site by the %s clock', async (clock) => {
  const { y } = network();
  const sites = sitesOf(createSchedule({ outputs: { y } }, device.caps), device.caps);
  expect(sites.map(({ op }) => op.name)).toContain('matmul');
  expect(sites.length).toBeGreaterThanOrEqual(2);
  const before = device.memory.bytes;
  const seen: string[] = [];
  const found = await tuneSites(device, sites, ({ site }) => void seen.push(site.key), { clock, budgetMs: 50 });
  expect(seen).toEqual(sites.map(({ key }) => key));
  for (const { key, candidates } of sites) {
    expect(Object.keys(found[key]?.ns ?? {})).toEqual(candidates);
    expect(Object.values(found[key]?.ns ?? {}).every((ns) => ns > 0)).toBe(true);
    expect(candidates).toContain(found[key]?.variant);
  }
  expect(untuned(sites, new Map(Object.entries(found)))).toEqual([]);
  expect(device.memory.bytes).toBe(before);
});

it("a device's table decides what its plans run, and the result is right", async () => {
  const { y, feeds } = network();
  const sites = sitesOf(createSchedule({ outputs: { y } }, device.caps), device.caps);
  // The slowest on purpose: order would never take it.
  const table = sites.map(({ key, candidates }): [string, TunedSite] => {
    const variant = candidates.at(-1) ?? '';
    return [key, { variant, ns: Object.fromEntries(candidates.map((name) => [name, 1])) }];
  });
  device.tuning = new Map(table);
  try {
    using plan = await compile(device, { outputs: { y } });
    const choices = [...plan.schedule.choices.values()].filter(({ candidates }) => candidates.length > 1);
    expect(choices.every(({ why, variant, candidates }) => why === 'tuned' && variant === candidates.at(-1))).toBe(
      true,
    );
    expect(plan.schedule.steps.step.some(({ dispatch }) => dispatch.label.startsWith('matmul.naive'))).toBe(true);
    for (const [name, data] of feeds) {
      plan.write(name, data);
    }
    await plan.run('load');
    await plan.run('step');
    expect(nmse(await plan.read('y'), interpret([y], feeds)[0] ?? [])).toBeLessThan(1e-7);
  } finally {
    device.tuning = null;
  }
});
