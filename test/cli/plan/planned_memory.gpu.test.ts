/** A run has the schedule that was planned for it, and the device counts as many bytes of buffers as planned. */
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { planReport } from '../../../src/cli/plan/plan_report.ts';
import { planSettings } from '../../../src/cli/plan/planned_run.ts';
import { mounted } from '../../../src/models/checkpoint/files.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';
import { Reno } from '../../../src/reno/session.ts';
import { REFERENCE_SETTINGS, type RenoSettings, readSettings } from '../../../src/reno/settings/settings.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { testDevice } from '../../support/test_device.ts';

const pocket = nodeFiles(resolve(import.meta.dirname, '../../../weights/pocket'));
const fixtures = nodeFiles(resolve(import.meta.dirname, '../../../parity'));
/** A Stable Diffusion of the public layout, two rewards of the public kinds. */
const small = mounted('small', [
  { at: 'generator', files: fixtures, from: 'pipeline' },
  { at: 'hps', files: fixtures, from: 'rewards/hps' },
  { at: 'image_reward', files: fixtures, from: 'rewards/image_reward' },
]);

describe('planned and actual memory', () => {
  let device: Device;
  beforeAll(async () => {
    device = await testDevice();
  });
  afterAll(() => device?.destroy());

  const smallSettings: RenoSettings = { ...REFERENCE_SETTINGS, rewards: { hps: 5, image_reward: 1 } };
  it.each([
    ['the pocket model', pocket, {}],
    ['the pocket model in f16, within a budget', pocket, { dtype: 'f16', budget: 30e6 }],
    ['the pocket model with weights of 8 bits', pocket, { weightBits: 8 }],
    ['a small Stable Diffusion with two rewards', small, smallSettings],
  ] as const)('of %s agree within 5%', async (name, files, changes) => {
    const settings: RenoSettings = { ...(await readSettings(files)), ...changes };
    const { memory } = planReport(await planSettings({ name, files }, settings, { device }));
    const before = device.memory.bytes;
    device.memory.restartPeak();
    const reno = await Reno.open(device, name, files, settings);
    const opened = device.memory.peakBytes - before;
    device.memory.restartPeak();
    await reno.generate({ prompt: 'a photo of a red cat', seed: 1, nIters: 2 });
    const ran = device.memory.peakBytes - before;
    reno[Symbol.dispose]();
    expect(device.memory.bytes).toBe(before);
    const planned = (phase: string): number => memory.phases.find((p) => p.phase === phase)?.total ?? Number.NaN;
    expect(Math.abs(opened / planned('load') - 1)).toBeLessThan(0.05);
    expect(Math.abs(ran / planned('step') - 1)).toBeLessThan(0.05);
    expect(Math.abs(Math.max(opened, ran) / memory.peak - 1)).toBeLessThan(0.05);
  });
});
