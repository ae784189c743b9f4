/** A run outlives its device: lost at each phase, refused commands, and memory that runs out. */
import { resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  brokenPromise,
  difference,
  type Trial,
  type TrialSetting,
  trial,
} from '../../commands/faults/device/device_trial.ts';
import { failing, phaseFaults } from '../../commands/faults/device/planned_faults.ts';
import { nodeFiles } from '../../src/platform/node/node_files.ts';
import { readSettings, withSettings } from '../../src/reno/settings/settings.ts';
import { openSteadyReno } from '../../src/reno/steady_reno.ts';
import { GpuError } from '../../src/tensor/device/gpu_error.ts';
import { testDevice } from '../support/test_device.ts';

const files = nodeFiles(resolve(import.meta.dirname, '../../weights/pocket'));

describe('a run on a device that fails', () => {
  let setting: TrialSetting;
  let calm: Trial;
  beforeAll(async () => {
    const settings = withSettings(await readSettings(files), { rewards: { clip: 1 } });
    setting = { openDevice: () => testDevice(), files, settings };
    calm = await trial(setting);
  });

  it('is not changed by states that are saved', () => {
    expect(calm.devices).toHaveLength(1);
    expect(calm.said).toEqual([]);
    expect(calm.made?.trajectory.records).toHaveLength(4);
  });

  // All phases and allocations are in `npm run test:faults -- --only device`.
  it.each(['load', 'backward', 'readback'])(
    'lost at %s ends in the same bytes, and says what happened',
    async (phase) => {
      const faults = phaseFaults(calm).find((planned) => planned.phase === phase)?.faults ?? [];
      const found = await trial(setting, ...faults);
      expect(brokenPromise(found, calm)).toBeNull();
      expect(found.devices).toHaveLength(2);
      expect(found.said).toHaveLength(1);
      expect(found.said[0]).toMatch(
        /^the GPU .*injected.*: another device is opened \(1 of at most 3 times\), and the (run|networks) /,
      );
      expect(difference(found.made, calm.made)).toBeNull();
    },
  );

  it('of memory for the plan ends in the same bytes, and says how it goes on', async () => {
    const found = await trial(setting, failing({ call: 'createBuffer', at: 5 }, 'out-of-memory'));
    expect(brokenPromise(found, calm)).toBeNull();
    expect(found.said).toHaveLength(1);
    expect(found.said[0]).toMatch(
      /^the GPU has too little memory: the networks are opened again within \d+ MiB, where .*; the networks /,
    );
  });

  it('again and again ends with one sentence', async () => {
    let devices = 0;
    const opening = openSteadyReno({
      openDevice: () => testDevice(),
      openReno: async () => {
        devices += 1;
        throw new GpuError('lost', 'the GPU device was lost (injected); start again');
      },
    });
    await expect(opening).rejects.toThrow('the GPU device was lost (injected)');
    expect(devices).toBe(4);
  });
});
