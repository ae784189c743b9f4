/** A run on devices that fail, compared with one that was not disturbed. */
import { setTimeout } from 'node:timers/promises';
import { sentenceOf } from '../../../src/cli/usage_error.ts';
import type { ModelFiles } from '../../../src/models/checkpoint/files.ts';
import { type Generated, Reno } from '../../../src/reno/session.ts';
import { type RenoSettings, withSettings } from '../../../src/reno/settings/settings.ts';
import { openSteadyReno } from '../../../src/reno/steady_reno.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { GpuError } from '../../../src/tensor/device/gpu_error.ts';
import { CALLS, type Call, FaultyDevice, type PlannedFault, type SharedDriver } from './faulty_device.ts';

export interface TrialSetting {
  /** Opens a device for one trial, or gives the one that all share. */
  readonly openDevice: () => Promise<Device | SharedDriver>;
  readonly files: ModelFiles;
  readonly settings: RenoSettings;
}

type Counts = Readonly<Record<Call, number>>;

export interface Trial {
  /** null: the run ended with `error`. */
  readonly made: Generated | null;
  readonly error: unknown;
  /** The messages of the run, in their order. */
  readonly said: readonly string[];
  readonly devices: readonly FaultyDevice[];
  /** Calls on the first device, when the networks were open and at the end. */
  readonly opened: Counts;
  readonly counts: Counts;
  /** Promises that failed while nobody waited. */
  readonly unhandled: readonly unknown[];
}

const RUN = { prompt: 'a photo of a red cat', seed: 3, nIters: 4, saveEvery: 1 };
const NO_CALLS = Object.fromEntries(CALLS.map((call) => [call, 0])) as Counts;
/** A trial takes a second or two. After this time it hangs. */
const LIMIT_MS = 180_000;

/** Runs four iterations. `faults` happen on the first devices, one on each. @throws Error when the run does not end */
export async function trial(
  { openDevice, files, settings }: TrialSetting,
  ...faults: (PlannedFault | null)[]
): Promise<Trial> {
  const said: string[] = [];
  const devices: FaultyDevice[] = [];
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => {
    unhandled.push(reason);
  };
  process.on('unhandledRejection', note);
  let opened = NO_CALLS;
  const run = async (): Promise<Generated> => {
    using steady = await openSteadyReno({
      openDevice: async () => {
        const faulty = new FaultyDevice(await openDevice(), faults[devices.length] ?? null);
        devices.push(faulty);
        return faulty.device;
      },
      openReno: (device, changes) => Reno.open(device, files.name, files, withSettings(settings, changes)),
      say: (sentence) => said.push(sentence),
    });
    opened = { ...(devices[0]?.counts ?? NO_CALLS) };
    return await steady.generate(RUN);
  };
  const giveUp = new AbortController();
  try {
    const [made, error] = await Promise.race([
      run().then(
        (generated): [Generated, null] => [generated, null],
        (reason: unknown): [null, unknown] => [null, reason],
      ),
      setTimeout(LIMIT_MS, null, { signal: giveUp.signal }).then((): never => {
        throw new Error(`the run did not end within ${LIMIT_MS / 1000} s`);
      }),
    ]);
    await setTimeout(0); // Node reports a failed promise a little later.
    return { made, error, said, devices, opened, counts: { ...(devices[0]?.counts ?? NO_CALLS) }, unhandled };
  } finally {
    giveUp.abort();
    process.off('unhandledRejection', note);
  }
}

/** The first promise that a trial broke, one sentence; null where all held. */
export function brokenPromise(found: Trial, calm: Trial): string | null {
  const { made, error, said, devices, unhandled } = found;
  const held = devices.reduce((bytes, { device }) => bytes + device.memory.bytes, 0);
  if (!devices[0]?.happened) {
    return 'the fault did not happen';
  }
  if (unhandled.length > 0) {
    return `nobody waited for a promise that failed: ${sentenceOf(unhandled[0])}`;
  }
  if (held > 0) {
    return `${held} bytes of buffers were not given back`;
  }
  if (!made) {
    return isOneSentence(error) ? null : `it ended without a clear sentence: ${sentenceOf(error)}`;
  }
  if (said.length === 0) {
    return 'the run went on, and nothing was said';
  }
  return said.some((sentence) => sentence.includes('8 bits')) ? null : difference(made, calm.made);
}

/** The end of a run, in a few words. */
export function outcome({ made, error, devices, said }: Trial): string {
  if (!made) {
    return `ended: ${sentenceOf(error)}`;
  }
  const bits = said.some((sentence) => sentence.includes('8 bits')) ? ', 8-bit weights' : '';
  return `${devices.length} devices, ${bits === '' ? 'the same bytes' : `went on${bits}`}`;
}

const isOneSentence = (error: unknown): boolean =>
  error instanceof GpuError && error.message.length > 20 && !/\n|undefined|NaN|\[object/.test(error.message);

/** The first difference of two runs, times apart; null when they are equal in every byte. */
export function difference(a: Generated | null, b: Generated | null): string | null {
  if (!a || !b) {
    return a === b ? null : 'one run made nothing';
  }
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

/** @returns the promise that was broken, or null; and what became of the run */
export async function tried(
  setting: TrialSetting,
  calm: Trial,
  faults: readonly PlannedFault[],
): Promise<readonly [broken: string | null, outcome: string]> {
  try {
    const found = await trial(setting, ...faults);
    return [brokenPromise(found, calm), outcome(found)];
  } catch (error) {
    return [sentenceOf(error), ''];
  }
}
