/** Part `tuning`: times the variants of the kernels of a model here, as `reno tune` does, and keeps the table. */
import { join } from 'node:path';
import { openAdapter } from '../../src/cli/adapter.ts';
import { plannedModel } from '../../src/cli/plan/planned_model.ts';
import { tuningFiles, tuningFolder, tuningStore } from '../../src/platform/node/tuning_file.ts';
import { readSettings, withSettings } from '../../src/reno/settings/settings.ts';
import { traceRun } from '../../src/reno/trace.ts';
import { scheduleFor } from '../../src/tensor/plan/compile.ts';
import { sitesOf, tuneSites, untuned } from '../../src/tensor/tuning/autotune.ts';
import type { TunedSite } from '../../src/tensor/tuning/choose.ts';
import { tunedAdapter } from '../../src/tensor/tuning/tuning_table.ts';
import type { Part } from './part.ts';

/** Sites that `--quick` times, those with the most work. */
const QUICK_COUNT = 6;
const FILE = 'tuning.json';

export const tuningPart: Part = {
  name: 'tuning',
  title: 'Which variant of each kernel is the fastest here?',
  limit: { full: 60, quick: 60 },
  run: async ({ adapter, quick, out, seconds, row }) => {
    const start = performance.now();
    using device = await openAdapter(adapter);
    const planned = plannedModel(quick ? 'pocket' : 'sd-turbo');
    const own = await readSettings(planned.files);
    const { f16 } = device.caps;
    const settings = quick ? own : withSettings(own, { size: [512, 512], dtype: f16 ? 'f16' : 'f32' });
    const { spec } = await traceRun(planned.files, settings);
    const all = sitesOf(await scheduleFor(device, spec), device.caps);
    const key = tunedAdapter(device);
    const kept = await tuningStore(() => {})?.load(key);
    const missing = untuned(all, new Map(Object.entries(kept?.sites ?? {})));
    const wanted = quick ? missing.slice(0, QUICK_COUNT) : missing;
    const sites: Record<string, TunedSite> = { ...kept?.sites };
    const limit = new AbortController();
    let timed = 0;
    await tuneSites(
      device,
      wanted,
      ({ site, result }) => {
        timed++;
        if (result instanceof Error) {
          row({ name: site.key, ok: false, shown: result.message });
        } else {
          sites[site.key] = result;
          const times = Object.entries(result.ns).map(([name, ns]) => `${name} ${(ns / 1e6).toPrecision(3)} ms`);
          row({ name: site.key, ok: true, shown: `${result.variant} (${times.join(', ')})`, ...result });
        }
        if (performance.now() - start > seconds * 1000) {
          limit.abort();
        }
      },
      { signal: limit.signal },
    );
    const table = { ...(kept ?? { format: 1 as const, adapter: key }), sites };
    await tuningFiles(tuningFolder(), join(out, FILE)).save(table);
    const store = tuningStore(() => {});
    await store?.save(table);
    const where = store ? `${FILE}, and kept in ${store.pathOf(key)}` : FILE;
    const rest = missing.length - timed;
    return `${timed} sites of ${planned.name} were timed${rest > 0 ? `, ${rest} left out` : ''}; the table is ${where}`;
  },
};
