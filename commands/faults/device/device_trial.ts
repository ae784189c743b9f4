/** A run on a device that fails once, compared with one that was not disturbed. */
import type { ModelFiles } from '../../../src/models/checkpoint/files.ts';
import { type Generated, Reno } from '../../../src/reno/session.ts';
import { type RenoSettings, withSettings } from '../../../src/reno/settings.ts';
import { openSteadyReno } from '../../../src/reno/steady_reno.ts';
import type { Device } from '../../../src/tensor/device.ts';
import { type Call, FaultyDevice, type PlannedFault } from './faulty_device.ts';

export interface TrialSetting {
  readonly openDevice: () => Promise<Device>;
  readonly files: ModelFiles;
  readonly settings: RenoSettings;
}

export interface Trial {
  readonly made: Generated;
  /** The messages of the run, in their order. */
  readonly said: readonly string[];
  readonly devices: number;
  readonly happened: boolean;
  /** Calls on the first device, when the networks were open and at the end. */
  readonly opened: Readonly<Record<Call, number>>;
  readonly counts: Readonly<Record<Call, number>>;
}

const RUN = { prompt: 'a photo of a red cat', seed: 3, nIters: 4, saveEvery: 1 };

/** Runs four iterations. `fault` happens on the first device. @throws Error as `SteadyReno.generate` */
export async function trial({ openDevice, files, settings }: TrialSetting, fault: PlannedFault | null): Promise<Trial> {
  const said: string[] = [];
  const devices: FaultyDevice[] = [];
  using steady = await openSteadyReno({
    openDevice: async () => {
      const faulty = new FaultyDevice(await openDevice(), devices.length === 0 ? fault : null);
      devices.push(faulty);
      return faulty.device;
    },
    openReno: (device, changes) => Reno.open(device, 'pocket', files, withSettings(settings, changes)),
    say: (sentence) => said.push(sentence),
  });
  const [first] = devices;
  if (!first) {
    throw new Error('no device was opened');
  }
  const opened = { ...first.counts };
  const made = await steady.generate(RUN);
  return { made, said, devices: devices.length, happened: first.happened, opened, counts: { ...first.counts } };
}

/** The first difference of two runs, times apart; null when they are equal in every byte. */
export function difference(a: Generated, b: Generated): string | null {
  const records = ({ trajectory }: Generated): string =>
    JSON.stringify(trajectory.records.map(({ seconds: _, ...rest }) => rest));
  const same = (x: Float32Array, y: Float32Array): boolean => x.length === y.length && x.every((v, i) => v === y[i]);
  if (records(a) !== records(b)) {
    return 'other losses';
  }
  if (!same(a.trajectory.bestLatents, b.trajectory.bestLatents)) {
    return 'another noise';
  }
  return same(a.trajectory.bestImage, b.trajectory.bestImage) && same(a.trajectory.initImage, b.trajectory.initImage)
    ? null
    : 'another picture';
}

/** Faults for each phase of a run, from the calls of one that was not disturbed. */
export function faultsOf({ opened, counts }: Trial): { readonly phase: string; readonly fault: PlannedFault }[] {
  const between = (call: Call, share: number): number =>
    Math.floor(opened[call] + (counts[call] - opened[call] - 1) * share);
  const lost = (phase: string, call: Call, at: number) => ({ phase, fault: { call, at, fault: 'lost' } as const });
  return [
    lost('load', 'writeBuffer', Math.floor(opened.writeBuffer / 2)),
    lost('compile', 'createComputePipelineAsync', Math.floor(opened.createComputePipelineAsync / 2)),
    lost('forward', 'submit', between('submit', 0.4)),
    lost('backward', 'submit', between('submit', 0.7)),
    lost('readback', 'mapAsync', between('mapAsync', 0.6)),
    { phase: 'a refused command', fault: { call: 'submit', at: between('submit', 0.5), fault: 'validation' } },
    { phase: 'memory for the plan', fault: { call: 'createBuffer', at: 5, fault: 'out-of-memory' } },
    {
      phase: 'memory for a readback',
      fault: { call: 'createBuffer', at: between('createBuffer', 0.5), fault: 'out-of-memory' },
    },
  ];
}
