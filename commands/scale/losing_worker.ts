/** `reno worker` whose first device is lost in the middle of a job: node losing_worker.ts URL FOLDER. Only tests start it. */
import { chosenModel } from '../../src/cli/weights/chosen_model.ts';
import { leave } from '../../src/platform/node/leave.ts';
import { openDevice } from '../../src/platform/node/open_device.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { FaultyDevice } from '../faults/device/faulty_device.ts';
import { work } from '../prompt_bench/machines/worker.ts';
import { FolderStore } from '../prompt_bench/stores/job_store.ts';

/** The device is lost at this submission: after the networks are open, in one of the first jobs. */
const LOST_AT = 60;

const [url = '', folder = ''] = process.argv.slice(2);
const devices: FaultyDevice[] = [];
const open = async (): Promise<Device> => {
  const fault = devices.length === 0 ? ({ fault: 'lost', call: 'submit', at: LOST_AT } as const) : null;
  const faulty = new FaultyDevice(await openDevice({ quiet: true }), fault);
  devices.push(faulty);
  return faulty.device;
};
const abort = new AbortController();
process.on('SIGTERM', () => abort.abort());
const { jobs, stopped } = await work({
  url,
  model: chosenModel({ model: 'pocket' }),
  store: new FolderStore(folder),
  openDevice: open,
  untilEmpty: false,
  signal: abort.signal,
});
console.log(JSON.stringify({ jobs, stopped, lost: devices[0]?.happened === true, devices: devices.length }));
await leave(0);
