/** `?tune=1`: the page times the variants of its model's kernels once, and remembers the winners. */
import type { ModelFiles } from '../../models/checkpoint/files.ts';
import { tuningDatabase } from '../../platform/browser/tuning_db.ts';
import type { RenoSettings } from '../../reno/settings/settings.ts';
import { traceRun } from '../../reno/trace.ts';
import type { Device } from '../../tensor/device/device.ts';
import { scheduleFor } from '../../tensor/plan/compile.ts';
import { sitesOf, tuneSites, untuned } from '../../tensor/tuning/autotune.ts';
import { tunedAdapter } from '../../tensor/tuning/tuning_table.ts';

/** Times the variants. @param onProgress called with the number of sites that are done */
export async function tuneHere(
  device: Device,
  files: ModelFiles,
  settings: RenoSettings,
  onProgress: (done: number, count: number) => void,
): Promise<void> {
  const adapter = tunedAdapter(device);
  const { spec } = await traceRun(files, settings);
  const sites = sitesOf(await scheduleFor(device, spec), device.caps);
  const kept = (await tuningDatabase.load(adapter)) ?? { format: 1 as const, adapter, sites: {} };
  const wanted = untuned(sites, new Map(Object.entries(kept.sites)));
  const progress = ({ index, count }: { index: number; count: number }): void => onProgress(index + 1, count);
  // Browsers round timestamps to 100 µs, longer than most of these kernels.
  const found = await tuneSites(device, wanted, progress, { clock: 'wall', budgetMs: 100 });
  await tuningDatabase.save({ ...kept, sites: { ...kept.sites, ...found } });
}
