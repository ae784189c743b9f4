/** The part `device`: the device is lost or refuses a command at every phase of a run, or never has enough memory. */
import { openDevice } from '../../../src/platform/node/open_device.ts';
import { pocketModels } from '../../../src/platform/node/open_models.ts';
import { readSettings, withSettings } from '../../../src/reno/settings/settings.ts';
import type { FaultOptions, FaultPart, FaultRow } from '../fault_part.ts';
import { type Trial, type TrialSetting, trial, tried } from './device_trial.ts';
import { type PlannedFault, SharedDriver } from './faulty_device.ts';
import { phaseFaults, SHARES, shortage } from './planned_faults.ts';

export const device: FaultPart = {
  name: 'device',
  description: 'Lose the device or refuse a command at each phase, give too little memory: the same bytes in the end',
  run: async (options) => [...(await everyPhase(options)), ...(await everyShortage(options))],
};

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
