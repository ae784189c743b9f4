/** The part `device`: the device is lost, refuses a command or runs out of memory at every phase and allocation of a run. */
import { sentenceOf } from '../../../src/cli/usage_error.ts';
import { openDevice } from '../../../src/platform/node/open_device.ts';
import { pocketModels } from '../../../src/platform/node/open_models.ts';
import { readSettings, withSettings } from '../../../src/reno/settings.ts';
import type { FaultOptions, FaultPart, FaultRow } from '../fault_part.ts';
import { brokenPromise, outcome, type Trial, type TrialSetting, trial } from './device_trial.ts';
import { CALLS, type Call, type PlannedFault, SharedDriver } from './faulty_device.ts';
import { openMadeUpDevice } from './made_up_gpu.ts';
import { type Allocation, allocationsOf, failing, phaseFaults, SHARES, shortage, someOf } from './planned_faults.ts';
import { SMALLEST_SETTINGS, smallestModel } from './smallest_model.ts';

export const device: FaultPart = {
  name: 'device',
  description:
    'Lose the device, refuse a command or refuse memory at each phase and allocation: the same bytes in the end',
  run: async (options) => [
    ...(await everyPhase(options)),
    ...(await everyShortage(options)),
    ...(await everyAllocation(options)),
    ...(await everyAllocationMadeUp(options)),
  ],
};

/** Allocations of each kind that are tried without --all and --count: on the adapter, and where nothing is computed. */
const SOME = { adapter: 3, madeUp: 6 };

async function everyPhase({ say }: FaultOptions): Promise<FaultRow[]> {
  const files = pocketModels();
  const settings = withSettings(await readSettings(files), { rewards: { clip: 1 } });
  const setting = { openDevice: () => openDevice(), files, settings };
  const calm = await trial(setting);
  const rows: FaultRow[] = [];
  for (const { phase, faults } of phaseFaults(calm)) {
    const [{ call, fault } = { call: '', fault: '' }] = faults;
    const name = `${fault} at ${phase} (${call})`;
    rows.push(await oneRow(name, setting, calm, faults));
    say(`${name}: ${rows.at(-1)?.found}`);
  }
  return rows;
}

/** The device never has enough memory, however often another one is opened: each step of the ladder is taken. */
async function everyShortage({ say }: FaultOptions): Promise<FaultRow[]> {
  const files = pocketModels();
  const settings = withSettings(await readSettings(files), { rewards: { clip: 1 } });
  const shared = new SharedDriver(await openDevice());
  using real = shared.real;
  const setting = { openDevice: async () => shared, files, settings };
  const calm = await trial(setting);
  const peak = calm.devices[0]?.device.memory.peakBytes ?? 0;
  const rows: FaultRow[] = [];
  for (const share of SHARES) {
    const name = `the device has ${share * 100} % of the memory`;
    rows.push(await oneRow(name, setting, calm, shortage(peak, share)));
    say(`${name}: ${rows.at(-1)?.found}`);
    await real.gpu.queue.onSubmittedWorkDone();
  }
  return rows;
}

async function oneRow(
  fault: string,
  setting: TrialSetting,
  calm: Trial,
  faults: readonly PlannedFault[],
): Promise<FaultRow> {
  const [broken, found] = await tried(setting, calm, faults);
  const lost = broken === null ? 0 : 1;
  return { part: 'device', fault, injected: 1, survived: 1 - lost, lost, found: broken ?? found };
}

/** @returns the promise that was broken, or null; and what became of the run */
async function tried(
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

async function everyAllocation(options: FaultOptions): Promise<FaultRow[]> {
  const shared = new SharedDriver(await openDevice());
  using real = shared.real;
  const setting = { openDevice: async () => shared, files: smallestModel(), settings: SMALLEST_SETTINGS };
  return await failEach(options, setting, SOME.adapter, 'out of memory at', async () => {
    await real.gpu.queue.onSubmittedWorkDone(); // Errors of this trial must not meet the next.
  });
}

async function everyAllocationMadeUp(options: FaultOptions): Promise<FaultRow[]> {
  const setting = { openDevice: openMadeUpDevice, files: smallestModel(), settings: SMALLEST_SETTINGS };
  return await failEach(options, setting, SOME.madeUp, 'on a made-up device, out of memory at');
}

/** Fails allocations one by one, each in a run of its own. */
async function failEach(
  { all, count, say }: Pick<FaultOptions, 'all' | 'count' | 'say'>,
  setting: TrialSetting,
  some: number,
  title: string,
  after: () => Promise<void> = async () => {},
): Promise<FaultRow[]> {
  const calm = await trial(setting);
  const rows: FaultRow[] = [];
  for (const call of CALLS) {
    const every = allocationsOf(calm).filter((allocation) => allocation.call === call);
    const chosen = all ? every : someOf(every, count ?? some);
    rows.push(await failThese(call, chosen, every.length));
    say(`${rows.at(-1)?.fault}: ${rows.at(-1)?.found}`);
  }
  return rows;

  async function failThese(call: Call, chosen: readonly Allocation[], of: number): Promise<FaultRow> {
    const outcomes = new Map<string, number>();
    let first: string | null = null;
    let lost = 0;
    for (const allocation of chosen) {
      const [broken, found] = await tried(setting, calm, [failing(allocation, 'out-of-memory')]);
      outcomes.set(found, (outcomes.get(found) ?? 0) + 1);
      if (broken !== null) {
        lost += 1;
        first ??= `at ${call} ${allocation.at}: ${broken}`;
      }
      await after();
    }
    const found = [...outcomes].map(([what, n]) => `${n} × ${what}`).join('; ');
    const injected = chosen.length;
    return {
      part: 'device',
      fault: `${title} ${call}, ${injected} of ${of}`,
      injected,
      survived: injected - lost,
      lost,
      found: first ?? found,
    };
  }
}
