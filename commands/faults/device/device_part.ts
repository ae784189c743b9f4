/** The part `device`: the device is lost, refuses a command or runs out of memory at every phase of a run. */

import { sentenceOf } from '../../../src/cli/usage_error.ts';
import { openDevice } from '../../../src/platform/node/open_device.ts';
import { pocketModels } from '../../../src/platform/node/open_models.ts';
import { readSettings, withSettings } from '../../../src/reno/settings.ts';
import type { FaultOptions, FaultPart, FaultRow } from '../fault_part.ts';
import { difference, faultsOf, trial } from './device_trial.ts';

export const device: FaultPart = {
  name: 'device',
  description: 'Lose the device, refuse a command or refuse memory at each phase: the same bytes in the end',
  run: everyPhase,
};

async function everyPhase({ say }: FaultOptions): Promise<FaultRow[]> {
  const files = pocketModels();
  const settings = withSettings(await readSettings(files), { rewards: { clip: 1 } });
  const setting = { openDevice: () => openDevice(), files, settings };
  const calm = await trial(setting, null);
  const rows: FaultRow[] = [];
  for (const { phase, fault } of faultsOf(calm)) {
    const name = `${fault.fault} at ${phase} (${fault.call} ${fault.at})`;
    const problem = await trial(setting, fault)
      .then((found) => (found.happened ? difference(found.made, calm.made) : 'the fault did not happen'))
      .catch(sentenceOf);
    const lost = problem === null ? 0 : 1;
    const found = problem ?? 'another device, the same bytes';
    rows.push({ part: 'device', fault: name, injected: 1, survived: 1 - lost, lost, found });
    say(`${name}: ${found}`);
  }
  return rows;
}
