/** A small network is profiled on the adapter that is here. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fill } from '../../../src/kernels/check/case_values.ts';
import { conv2d, groupNorm, linear, mean, mul, reshape, silu } from '../../../src/kernels/index.ts';
import { measurePeaks } from '../../../src/kernels/measured_peaks.ts';
import { profilePage } from '../../../src/reno/profile_page/profile_page.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { USAGE } from '../../../src/tensor/plan/buffer_usage.ts';
import { compile } from '../../../src/tensor/plan/compile.ts';
import type { Plan } from '../../../src/tensor/plan/plan.ts';
import { timedPasses } from '../../../src/tensor/plan/timestamps.ts';
import { collectProfile } from '../../../src/tensor/profile/collect_profile.ts';
import { coverage } from '../../../src/tensor/profile/group_rows.ts';
import type { Profile } from '../../../src/tensor/profile/profile.ts';
import { readProfile } from '../../../src/tensor/profile/read_profile.ts';
import { traceOf } from '../../../src/tensor/profile/trace_events.ts';
import { median, sum } from '../../../src/tensor/tuning/median.ts';
import { gradients } from '../../../src/tensor/vjp.ts';
import { testDevice } from '../../support/test_device.ts';
import { checkTrace } from '../../support/trace_rules.ts';

const [SIDE, CHANNELS, LAYERS] = [16, 32, 4];
const RUNS = 3;

let device: Device;
let plan: Plan;
let profile: Profile;

/** Convolutions and norms, forward and backward. */
async function network(): Promise<Plan> {
  const graph = new Graph();
  const shape = [1, SIDE, SIDE, CHANNELS];
  const x = graph.input('x', shape, 'step');
  const [gamma, beta] = [graph.input('gamma', [CHANNELS], 'load'), graph.input('beta', [CHANNELS], 'load')];
  let h = x;
  for (let i = 0; i < LAYERS; i++) {
    const weight = graph.input(`conv.${i}`, [CHANNELS, CHANNELS, 3, 3], 'load');
    h = graph.scope(`net.blocks.${i}`, () =>
      silu(groupNorm(conv2d(h, weight, null, { padding: 1 }), gamma, beta, { groups: 4, eps: 1e-5 })),
    );
  }
  const tokens = reshape(h, [SIDE * SIDE, CHANNELS]);
  const head = graph.input('head', [CHANNELS, CHANNELS], 'load');
  const y = graph.scope('head', () => linear(tokens, head));
  const loss = mean(mul(y, y));
  const made = await compile(device, { outputs: { loss, gradient: gradients(loss, [x])[0] } });
  for (const [name, { type }] of made.schedule.inputs) {
    made.write(name, fill({ shape: type.shape, scale: 0.3 }, name.length));
  }
  await made.run('load');
  return made;
}

beforeAll(async () => {
  device = await testDevice();
  plan = await network();
  profile = await collectProfile(device, plan, {
    runs: RUNS,
    peaks: await measurePeaks(device),
    tool: 'reno-webgpu test',
    subject: 'a small network',
    date: '2026-11-29T10:00:00.000Z',
  });
});

afterAll(() => {
  plan?.destroy();
  device.destroy();
});

describe('a profile', () => {
  it('has every dispatch of the step in every run', () => {
    const steps = plan.schedule.steps.step;
    expect(profile.dispatches.map(({ kernel }) => kernel)).toEqual(steps.map(({ dispatch }) => dispatch.label));
    expect(profile.dispatches.every(({ ns }) => ns.length === RUNS && ns.every((t) => t >= 0))).toBe(true);
    expect(new Set(profile.dispatches.map(({ direction }) => direction))).toEqual(new Set(['forward', 'backward']));
    expect(profile.dispatches.filter(({ path }) => path.startsWith('net.blocks.')).length).toBeGreaterThan(2 * LAYERS);
  });

  it('divides the work of the plan among its dispatches', () => {
    expect(sum(profile.dispatches.map(({ flops }) => flops))).toBeCloseTo(plan.summary.flops.step, -1);
    expect(profile.dispatches.every(({ bytes, operands }) => bytes > 0 && operands.length > 1)).toBe(true);
  });

  it('measures the same work in three ways', () => {
    const { clock, busy, kernels } = profile.step;
    // Other programs run beside tests, so this bound finds another unit or a wrong timestamp, no slow kernel.
    expect(coverage(profile)).toBeGreaterThan(0.3);
    expect(coverage(profile)).toBeLessThan(3);
    expect(median(clock)).toBeGreaterThan(0.3 * Math.min(...busy));
    expect(kernels.every((ms) => ms > 0)).toBe(true);
    expect(sum(profile.passes.map(({ dispatches }) => dispatches))).toBe(profile.dispatches.length);
  });

  it('has dispatches that begin one after the other', () => {
    const begins = profile.dispatches.map(({ begin }) => begin);
    expect(begins[0]).toBe(0);
    expect(begins).toEqual([...begins].sort((a, b) => a - b));
  });

  it('is kept, drawn and exported', () => {
    expect(readProfile(JSON.stringify(profile), 'profile.json')).toEqual(profile);
    expect(checkTrace(traceOf(profile)).broken).toEqual([]);
    expect(profilePage(profile)).not.toMatch(/NaN|Infinity|undefined/);
  });

  it('needs timestamps, and says so', async () => {
    const without = await testDevice({ without: ['timestamp-query'] });
    const { peaks, tool, subject, date } = profile;
    await expect(collectProfile(without, plan, { runs: 1, peaks, tool, subject, date })).rejects.toThrow(
      /^this adapter has no timestamp-query/,
    );
    without.destroy();
  });
});

it('a query set that is filled again and again gives each pass its own timestamps', async () => {
  const { gpu, memory } = device;
  const code = `@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  var value = y[id.x];
  // A pass takes longer than 65 µs, to which Dawn may round timestamps.
  for (var i = 0; i < 100000; i++) { value = value * 0.5 + 1.0; }
  y[id.x] = value;
}`;
  const layout = device.layout(false, 'w');
  const pipeline = await device.pipeline('count', code, layout, {});
  const buffer = memory.create({ size: 64 * 4, usage: USAGE.STORAGE });
  const bindGroup = gpu.createBindGroup({ layout, entries: [{ binding: 1, resource: { buffer } }] });
  const passes = Array.from({ length: 100 }, () => [{ pipeline, bindGroup, workgroups: [1, 1, 1] as const }]);
  // 32 timestamps are 16 passes, so the set is filled seven times.
  const spans = await timedPasses(device, passes, 32);
  device.assertHealthy();
  expect(spans).toHaveLength(100);
  spans.forEach(({ begin, end }, i) => {
    expect(end).toBeGreaterThan(begin);
    expect(begin).toBeGreaterThanOrEqual(spans[i - 1]?.end ?? 0);
  });
  memory.destroy(buffer);
});
