/** `reno tune`: times the variants of every kernel of a model on this adapter, and remembers the winners. */

import { type TuningFiles, tuningStore } from '../platform/node/tuning_file.ts';
import { traceRun } from '../reno/trace.ts';
import type { Device } from '../tensor/device/device.ts';
import { allOps } from '../tensor/op.ts';
import { scheduleFor } from '../tensor/plan/compile.ts';
import type { Schedule } from '../tensor/schedule/schedule.ts';
import { sitesOf, type TuneProgress, tuneSites, untuned } from '../tensor/tuning/autotune.ts';
import type { Choice, TunedSite, Tuning } from '../tensor/tuning/choose.ts';
import { showTuning, type TuningTable, tunedAdapter } from '../tensor/tuning/tuning_table.ts';
import { adapterName, openAdapter } from './adapter.ts';
import { type Args, type Command, isSet, textFlag } from './flags/args.ts';
import { settingsFlags, settingsFrom } from './flags/settings_flags.ts';
import { adapterChoice, adapterFlags, finish, jsonFlag } from './flags/shared.ts';
import { forcedVariants } from './kernel_variable.ts';
import { PLANNED_MODELS, plannedModel } from './plan/planned_model.ts';
import { UsageError } from './usage_error.ts';

export const tuneCommand: Command = {
  meta: { name: 'tune', description: "Time every kernel's variants on this adapter and remember the fastest" },
  args: {
    model: {
      type: 'string',
      description: `Whose kernels: ${PLANNED_MODELS.join(', ')}, or a folder; no weights are needed`,
      default: 'pocket',
      valueHint: 'name',
    },
    ...settingsFlags,
    op: { type: 'string', description: 'Only this op, such as matmul', valueHint: 'op' },
    force: { type: 'boolean', description: 'Time again what is known already' },
    explain: { type: 'boolean', description: 'Time nothing; say for each site which variant runs, and why' },
    export: { type: 'boolean', description: 'Time nothing; print the table that is kept for this adapter' },
    clear: { type: 'boolean', description: 'Forget what was timed on this adapter' },
    ...adapterFlags,
    ...jsonFlag,
  },
  run: tune,
};

async function tune(args: Args): Promise<number> {
  const only = textFlag(args, 'op');
  if (only !== undefined && !allOps().has(only)) {
    throw new UsageError(`--op: there is no op "${only}"; the ops are ${[...allOps().keys()].join(', ')}`);
  }
  const modes = ['explain', 'export', 'clear', 'force'].filter((flag) => isSet(args, flag));
  if (modes.length > 1) {
    throw new UsageError(`--${modes[0]} and --${modes[1]} are different requests: give one`);
  }
  const store = tuningStore(() => {}); // What is wrong with a kept table was said when the adapter was opened.
  if (!store && !isSet(args, 'explain')) {
    throw new UsageError('RENO_TUNING=off says that nothing is kept: unset it to tune');
  }
  using device = await openAdapter(adapterChoice(args));
  const adapter = tunedAdapter(device);
  if (store && isSet(args, 'clear')) {
    await store.clear(adapter);
    return finish(args, true, `nothing is kept for ${device.info.description} any more`, []);
  }
  if (isSet(args, 'export')) {
    const kept = await store?.load(adapter);
    if (!kept) {
      throw new Error('nothing was timed on this adapter yet: run "reno tune" first');
    }
    console.log(showTuning(kept).trimEnd());
    return 0;
  }
  const planned = await plannedRun(args, device);
  if (isSet(args, 'explain')) {
    return explain(args, planned, only);
  }
  if (!store) {
    return 1;
  }
  // After the plan, whose kernels may have been checked: results are in the same file.
  const table = (await store.load(adapter)) ?? { format: 1 as const, adapter, sites: {} };
  return await time(args, device, planned, only, table, store);
}

/** The schedule of a model's run on this adapter: from names and shapes, no weight is read. */
async function plannedRun(args: Args, device: Device): Promise<Schedule> {
  const model = plannedModel(textFlag(args, 'model') ?? 'pocket');
  const settings = await settingsFrom(args, { ...model, folder: model.files.name });
  const { spec } = await traceRun(model.files, settings);
  return scheduleFor(device, { ...spec, variants: forcedVariants() });
}

async function time(
  args: Args,
  device: Device,
  planned: Schedule,
  only: string | undefined,
  table: TuningTable,
  store: TuningFiles,
): Promise<number> {
  const all = sitesOf(planned, device.caps).filter(({ op }) => only === undefined || op.name === only);
  const known: Tuning = new Map(Object.entries(table.sites));
  const wanted = isSet(args, 'force') ? all : untuned(all, known);
  console.error(`adapter: ${adapterName(device)}`);
  console.error(`${all.length} sites with a choice of variants, ${all.length - wanted.length} known already`);
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort());
  const sites: Record<string, TunedSite> = { ...table.sites };
  const start = performance.now();
  let saved = start;
  const rows: ReturnType<typeof resultRow>[] = [];
  const onSite = async (progress: TuneProgress): Promise<void> => {
    const row = resultRow(progress);
    rows.push(row);
    console.error(`${progress.index + 1}/${progress.count}  ${row.text}`);
    if (!(progress.result instanceof Error)) {
      sites[progress.site.key] = progress.result;
    }
    if (performance.now() - saved > 10_000) {
      await store.save({ ...table, sites });
      saved = performance.now();
    }
  };
  await tuneSites(device, wanted, onSite, { signal: interrupt.signal });
  if (rows.length > 0) {
    await store.save({ ...table, sites });
  }
  const seconds = (performance.now() - start) / 1000;
  const failed = rows.filter((row) => row.failure !== undefined);
  const changed = rows.filter((row) => row.gain > 1);
  const summary =
    wanted.length === 0
      ? 'every site is tuned already; --force times them again'
      : `${rows.length} sites timed in ${seconds.toFixed(1)} s: another variant than the first wins at ${changed.length}${failed.length > 0 ? `; ${failed.length} could not be timed` : ''}`;
  console.log(`kept in ${store.pathOf(table.adapter)}`);
  return finish(
    args,
    failed.length === 0,
    summary,
    rows.map(({ text: _, ...row }) => row),
  );
}

const milliseconds = (ns: number): string => `${(ns / 1e6).toPrecision(3)} ms`;

function timesOf({ variant, ns }: TunedSite): string {
  const times = Object.entries(ns).map(([name, time]) => `${name} ${milliseconds(time)}`);
  return `${variant} (${times.join(', ')})`;
}

function resultRow({ site, result }: TuneProgress) {
  const first = site.candidates[0] ?? '';
  if (result instanceof Error) {
    return { site: site.key, gain: 1, failure: result.message, text: `${site.key}: ${result.message}` };
  }
  const gain = (result.ns[first] ?? 0) / (result.ns[result.variant] ?? 1);
  const how = result.variant === first ? '' : `  ${gain.toFixed(2)}x the speed of ${first}`;
  const gflops = site.op.cost(site.site).flops / (result.ns[result.variant] ?? Number.NaN);
  const rate = `, ${gflops.toPrecision(3)} GFLOP/s`;
  return { site: site.key, ...result, first, gain, gflops, text: `${site.key}: ${timesOf(result)}${rate}${how}` };
}

function explain(args: Args, { choices }: Schedule, only: string | undefined): number {
  const rows = [...choices.values()]
    .filter(({ op }) => only === undefined || op === only)
    .filter(({ candidates, refused }) => candidates.length + refused.length > 1)
    .sort((a, b) => (`${a.op} ${a.site}` < `${b.op} ${b.site}` ? -1 : 1));
  for (const choice of rows) {
    console.log(`${choice.op} ${choice.site}\n  ${choice.variant}: ${reason(choice)}`);
  }
  const count = (why: Choice['why']): number => rows.filter((row) => row.why === why).length;
  const summary = `${rows.length} sites: ${count('forced')} forced by KERNEL, ${count('tuned')} tuned, ${count('order')} by order`;
  return finish(args, true, summary, rows);
}

function reason({ why, candidates, refused, tuned }: Choice): string {
  const not = refused.length > 0 ? `; not for this site or adapter: ${refused.join(', ')}` : '';
  if (why === 'forced') {
    return `forced by KERNEL; otherwise ${tuned ? timesOf(tuned) : candidates[0]}${not}`;
  }
  if (why === 'tuned' && tuned) {
    return `tuned: ${timesOf(tuned)}, from ${tuned.source ?? 'a table'}${not}`;
  }
  const old = tuned ? `; its times are old: they are not of ${candidates.join(', ')}` : '';
  const others = candidates.length > 1 ? ` of ${candidates.join(', ')}` : '';
  return `first supported${others}${old}${not}`;
}
