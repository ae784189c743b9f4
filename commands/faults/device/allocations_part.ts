/** The part `allocations`: memory runs out at an allocation of a run, at one after the other. */
import { openDevice } from '../../../src/platform/node/open_device.ts';
import type { FaultOptions, FaultPart, FaultRow } from '../fault_part.ts';
import { type TrialSetting, trial, tried } from './device_trial.ts';
import { CALLS, type Call, SharedDriver } from './faulty_device.ts';
import { openMadeUpDevice } from './made_up_gpu.ts';
import { type Allocation, allocationsOf, failing, someOf } from './planned_faults.ts';
import { SMALLEST_SETTINGS, smallestModel } from './smallest_model.ts';

export const allocations: FaultPart = {
  name: 'allocations',
  description: 'Refuse memory at an allocation: the same bytes in the end',
  run: async (options) => [...(await onTheAdapter(options)), ...(await onMadeUpDevice(options))],
};

/** Allocations of each kind that are tried without --count: on the adapter, and where nothing is computed. */
const SOME = { adapter: 3, madeUp: 6 };

async function onTheAdapter(options: FaultOptions): Promise<FaultRow[]> {
  const shared = new SharedDriver(await openDevice());
  using real = shared.real;
  const setting = { openDevice: async () => shared, files: smallestModel(), settings: SMALLEST_SETTINGS };
  const chosen = { ...options, count: options.count ?? SOME.adapter, all: false };
  return await failEach(chosen, setting, 'out of memory at', async () => {
    await real.gpu.queue.onSubmittedWorkDone(); // Errors of this trial must not meet the next.
  });
}

/** A run calls the device in the same order whether it computes or not, so that every allocation can be tried where nothing is computed. */
async function onMadeUpDevice(options: FaultOptions): Promise<FaultRow[]> {
  const setting = { openDevice: openMadeUpDevice, files: smallestModel(), settings: SMALLEST_SETTINGS };
  const chosen = { ...options, count: options.count ?? SOME.madeUp };
  return await failEach(chosen, setting, 'on a made-up device, out of memory at');
}

/** Fails allocations one by one, each in a run of its own. */
async function failEach(
  { all, count, say }: { readonly all: boolean; readonly count: number; readonly say: FaultOptions['say'] },
  setting: TrialSetting,
  title: string,
  after: () => Promise<void> = async () => {},
): Promise<FaultRow[]> {
  const calm = await trial(setting);
  const rows: FaultRow[] = [];
  for (const call of CALLS) {
    const every = allocationsOf(calm).filter((allocation) => allocation.call === call);
    const chosen = all ? every : someOf(every, count);
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
      part: 'allocations',
      fault: `${title} ${call}, ${injected} of ${of}`,
      injected,
      survived: injected - lost,
      lost,
      found: first ?? found,
    };
  }
}
