/** Plans a run without GPU, weights or network, for `reno plan`: nothing is allocated. */
import { assertStores, type Planning } from '../../reno/session.ts';
import { type RenoSettings, readSettings, withSettings } from '../../reno/settings/settings.ts';
import { type TracedRun, traceRun } from '../../reno/trace.ts';
import type { Device } from '../../tensor/device/device.ts';
import type { DeviceCaps } from '../../tensor/device/device_caps.ts';
import { createSchedule } from '../../tensor/schedule/planner.ts';
import type { Schedule } from '../../tensor/schedule/schedule.ts';
import { adapterName } from '../adapter.ts';
import { type PlannedModel, plannedModel } from './planned_model.ts';

/** A GPU with f16 and subgroups of 32, as Vulkan shows NVIDIA's, but for its matrix units. */
export const GPU_CAPS: DeviceCaps = {
  f16: true,
  subgroups: true,
  subgroupMinSize: 32,
  subgroupMaxSize: 32,
  software: false,
  maxWorkgroupStorage: 49152,
  maxInvocations: 1024,
  maxStorageBuffers: 10,
};

/** The same with matrix units, of which Vulkan shows NVIDIA's and AMD's (RDNA3) as 16x16x16, and the storage buffers that Dawn allows on Vulkan. */
export const MATRIX_GPU: Pick<Device, 'caps' | 'info'> = {
  caps: {
    ...GPU_CAPS,
    maxStorageBuffers: 16,
    subgroupMatrices: [{ component: 'f16', result: 'f32', m: 16, n: 16, k: 16 }],
  },
  info: { vendor: '', architecture: '', description: 'a GPU with f16, subgroups of 32 and f16 matrices of 16x16x16' },
};

/** Settings that are given here change those of the model: f16 and the paper's four rewards for the published ones. */
export interface PlanOptions extends Partial<RenoSettings> {
  /** A name or folder as `plannedModel` takes it. */
  readonly model: string;
  /** The adapter that it is planned for: a real one, or MATRIX_GPU. Default: a GPU with f16 and subgroups of 32, without matrix units. */
  readonly device?: Pick<Device, 'caps' | 'info'>;
}

export interface PlannedRun {
  readonly model: string;
  readonly settings: RenoSettings;
  /** The adapter that the run is planned for. */
  readonly adapter: string;
  readonly run: TracedRun;
  readonly schedule: Schedule;
}

/** Traces and schedules a run, in a few seconds. @throws Error, one sentence: no such model, a size that is not possible, or a
 * budget that is too small */
export async function planRun({ model, device, ...changes }: PlanOptions): Promise<PlannedRun> {
  const planned = plannedModel(model);
  const settings = withSettings(await readSettings(planned.files), changes);
  return planSettings(planned, settings, device ? { device } : {});
}

/** Plans a model with these settings. `planning`: as for `Reno.open`. @throws Error as `planRun`, or for an adapter that cannot store f16 */
export async function planSettings(
  { name, files }: PlannedModel,
  settings: RenoSettings,
  { device, planning = {} }: Pick<PlanOptions, 'device'> & { readonly planning?: Planning } = {},
): Promise<PlannedRun> {
  const caps = device?.caps ?? GPU_CAPS;
  assertStores(settings.dtype, caps);
  const run = await traceRun(files, settings);
  const adapter = device ? adapterName(device) : 'a GPU with f16 and subgroups of 32';
  return { model: name, settings, adapter, run, schedule: createSchedule({ ...run.spec, ...planning }, caps) };
}
