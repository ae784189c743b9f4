/** Faults of a device, tried on one that computes nothing: every kind of call, and losses one after another. */
import { beforeAll, describe, expect, it } from 'vitest';
import {
  brokenPromise,
  outcome,
  type Trial,
  type TrialSetting,
  trial,
} from '../../../commands/faults/device/device_trial.ts';
import { CALLS } from '../../../commands/faults/device/faulty_device.ts';
import { openMadeUpDevice } from '../../../commands/faults/device/made_up_gpu.ts';
import { failing, phaseFaults, shortage } from '../../../commands/faults/device/planned_faults.ts';
import { SMALLEST_SETTINGS, smallestModel } from '../../../commands/faults/device/smallest_model.ts';
import { GpuError } from '../../../src/tensor/device/gpu_error.ts';

const setting: TrialSetting = {
  openDevice: openMadeUpDevice,
  files: smallestModel(),
  settings: { ...SMALLEST_SETTINGS, mode: 'imageselect' }, // A smaller graph than one with gradients.
};

describe('a run on a made-up device', { timeout: 120_000 }, () => {
  let calm: Trial;
  beforeAll(async () => {
    calm = await trial(setting);
  });

  it('makes every kind of call', () => {
    expect(calm.error).toBeNull();
    expect(CALLS.filter((call) => calm.counts[call] === 0)).toEqual([]);
  });

  it.each(CALLS)('goes on when the last %s finds no memory', async (call) => {
    const found = await trial(setting, failing({ call, at: calm.counts[call] - 1 }, 'out-of-memory'));
    expect(brokenPromise(found, calm)).toBeNull();
    expect(outcome(found)).toBe('2 devices, the same bytes');
  });

  it('goes on after three losses, and ends with one sentence after the fourth', async () => {
    const cases = phaseFaults(calm).filter(({ faults }) => faults.length > 2);
    expect(cases.map(({ faults }) => faults.length)).toEqual([3, 4]);
    for (const { faults } of cases) {
      const found = await trial(setting, ...faults);
      expect(brokenPromise(found, calm)).toBeNull();
      expect(found.devices.map(({ happened }) => happened)).toEqual(
        faults.length < 4 ? [...faults.map(() => true), false] : faults.map(() => true),
      );
      expect(found.error instanceof GpuError && found.error.kind).toBe(faults.length < 4 ? false : 'lost');
    }
  });

  it('that never has enough memory ends with the sentence of the device, not of a plan', async () => {
    const peak = calm.devices[0]?.device.memory.peakBytes ?? 0;
    const found = await trial(setting, ...shortage(peak, 0.01));
    expect(brokenPromise(found, calm)).toBeNull();
    expect(outcome(found)).toMatch(/^ended: the GPU has too little memory for this plan \(\d+ MiB needed\)/);
  });
});
