/** What a run would need, before anything is allocated: no GPU, no weights, no network. The command is `reno plan`. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type ModelFiles, type Mount, mounted } from '../../models/checkpoint/files.ts';
import { nodeFiles } from '../../platform/node/files.ts';
import { PACKAGE_ROOT } from '../../platform/node/package_root.ts';
import { REWARD_NAMES } from '../../reno/rewards/index.ts';
import { assertStores, type Planning } from '../../reno/session.ts';
import { type RenoSettings, readSettings, withSettings } from '../../reno/settings.ts';
import { type TracedRun, traceRun } from '../../reno/trace.ts';
import type { Device } from '../../tensor/device.ts';
import type { DeviceCaps } from '../../tensor/device_caps.ts';
import { createSchedule } from '../../tensor/schedule/planner.ts';
import type { Schedule } from '../../tensor/schedule/schedule.ts';
import { UsageError } from '../errors.ts';
import { weightsFolder } from '../models.ts';
import { hollowFiles, withoutTokenizers } from './hollow_files.ts';
import { findPublished, joined, PUBLISHED_NAMES, publishedGenerator, publishedReward } from './published_folder.ts';

/** A GPU with f16 and subgroups of 32, as Vulkan shows NVIDIA's. */
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

export const PLANNED_MODELS: readonly string[] = ['pocket', ...PUBLISHED_NAMES];

/** Settings that are given here change those of the model: f16 and the paper's four rewards for the published ones. */
export interface PlanOptions extends Partial<RenoSettings> {
  /** One of PLANNED_MODELS (`pixart` is short for pixart-dmd), or a model's or generator's folder (or
   * hf:owner/name in the Hugging Face cache), which is planned from its own headers. */
  readonly model: string;
  /** A real adapter, to plan what it would run. Default: a GPU with f16 and subgroups of 32. */
  readonly device?: Pick<Device, 'caps' | 'info'>;
}

export interface PlannedRun {
  readonly model: string;
  readonly settings: RenoSettings;
  /** What it is planned for. */
  readonly adapter: string;
  readonly run: TracedRun;
  readonly schedule: Schedule;
}

/** Traces and schedules: a few seconds. @throws Error, one sentence: no such model, a size that is not possible, or a
 * budget that is too small */
export async function planRun({ model, device, ...changes }: PlanOptions): Promise<PlannedRun> {
  const planned = plannedModel(model);
  const settings = withSettings(await readSettings(planned.files), changes);
  return planSettings(planned, settings, device ? { device } : {});
}

/** `planning`: as for `Reno.open`. @throws Error as `planRun`, or for an adapter that cannot store f16 */
export async function planSettings(
  { name, files }: PlannedModelFiles,
  settings: RenoSettings,
  { device, planning = {} }: Pick<PlanOptions, 'device'> & { readonly planning?: Planning } = {},
): Promise<PlannedRun> {
  const caps = device?.caps ?? GPU_CAPS;
  assertStores(settings.dtype, caps);
  const run = await traceRun(files, settings);
  const adapter = device ? device.info.description || device.info.vendor : 'a GPU with f16 and subgroups of 32';
  return { model: name, settings, adapter, run, schedule: createSchedule({ ...run.spec, ...planning }, caps) };
}

export interface PlannedModelFiles {
  readonly name: string;
  readonly files: ModelFiles;
  /** Of a model that is read from a folder. */
  readonly folder?: string;
}

/** @throws UsageError when there is neither such a model nor such a folder */
export function plannedModel(model: string): PlannedModelFiles {
  if (model === 'pocket') {
    const folder = join(PACKAGE_ROOT, 'weights/pocket');
    return { name: model, files: nodeFiles(folder), folder };
  }
  const name = findPublished(model);
  if (name) {
    const hollow = hollowFiles(name, joined([publishedGenerator(name), ...REWARD_NAMES.map(publishedReward)]));
    const mounts = [{ at: '', files: hollow, from: '' }, publishedSettings(name)];
    return { name, files: mounted(name, mounts) };
  }
  const folder = weightsFolder(model, '--model');
  if (!existsSync(folder)) {
    throw new UsageError(`there is no model or folder "${model}"; the models are ${PLANNED_MODELS.join(', ')}`);
  }
  const files = withoutTokenizers(nodeFiles(folder));
  if (!existsSync(join(folder, 'model_index.json'))) {
    return { name: model, files, folder };
  }
  // A generator as diffusers saves it: the rewards are the published ones.
  const rewards = hollowFiles(model, joined(REWARD_NAMES.map(publishedReward)));
  const mounts = [{ at: '', files: rewards, from: '' }, { at: 'generator', files, from: '' }, publishedSettings()];
  return { name: model, files: mounted(model, mounts) };
}

/** The reno.json of a published model; that of all where it has none of its own. */
function publishedSettings(name?: string): Mount {
  const weights = join(PACKAGE_ROOT, 'weights');
  const own = name !== undefined && existsSync(join(weights, 'published', name)) ? `published/${name}` : 'published';
  return { at: 'reno.json', files: nodeFiles(weights), from: `${own}/reno.json` };
}
