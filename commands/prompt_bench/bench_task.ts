/** A task of `reno bench`: the list, the seeds and the runs that the command line asks for, and the jobs that follow from them. */

import { openAdapter } from '../../src/cli/adapter.ts';
import { type Args, type Command, countFlag, textFlag } from '../../src/cli/flags/args.ts';
import { optimisingFlags, settingsFrom } from '../../src/cli/flags/settings_flags.ts';
import { adapterChoice, adapterFlags, jsonFlag } from '../../src/cli/flags/shared.ts';
import { batchPlans, batchRoom, chosenBatch } from '../../src/cli/plan/batch_choice.ts';
import { keyOf } from '../../src/cli/run_store/names.ts';
import { readTextFile } from '../../src/cli/text_file.ts';
import { UsageError } from '../../src/cli/usage_error.ts';
import { type ChosenModel, chosenModel, modelFlags } from '../../src/cli/weights/chosen_model.ts';
import { nodeFiles } from '../../src/platform/node/node_files.ts';
import { type RenoSettings, withSettings } from '../../src/reno/settings/settings.ts';
import { firstOfCategories } from '../common/first_of_categories.ts';
import { parseSeeds } from '../common/seed_list.ts';
import { identified } from './jobs/identity.ts';
import { type Job, jobsOf } from './jobs/job.ts';
import { type ListName, type PromptEntry, readList } from './lists/benchmark_lists.ts';
import { assertLayoutFits } from './lists/layouts.ts';
import { queueFlag } from './machines/queue.ts';
import { type Comparison, compared, METHOD_KINDS, parseMethods, parseSweeps } from './methods.ts';
import { outFlag } from './stores/results_place.ts';

export const benchFlags: NonNullable<Command['args']> = {
  ...outFlag,
  seeds: { type: 'string', description: 'Seeds, such as 0,1,2 or 0-3', default: '0', valueHint: 'list' },
  methods: {
    type: 'string',
    description: `Of ${METHOD_KINDS.join(', ')}`,
    default: 'base,best-of-n,equal-compute,reno',
    valueHint: 'list',
  },
  sweep: { type: 'string', description: 'Weights of rewards to try, such as "hps=0,2.5,5;clip=1"', valueHint: 'list' },
  limit: { type: 'string', description: 'Only the first prompts of each category', valueHint: 'n' },
  shard: { type: 'string', description: 'A share of the prompts, such as 1/8 (see docs/scale.md)', valueHint: 'i/n' },
  detector: {
    type: 'string',
    description: "FastestDet.onnx: says which of GenEval's objects are in the pictures (see docs/scale.md)",
    valueHint: 'file',
  },
  'report-only': { type: 'boolean', description: 'Run nothing: write the results of the jobs that are done' },
  ...queueFlag,
  workers: {
    type: 'string',
    description: 'Processes on this machine, each on an adapter in turn (default: one for each GPU)',
    valueHint: 'n',
  },
  ...modelFlags,
  ...optimisingFlags,
  ...adapterFlags,
  ...jsonFlag,
};

/** Everything that a task's jobs and results follow from. */
export interface BenchTask {
  readonly list: ListName;
  readonly model: ChosenModel;
  readonly settings: RenoSettings;
  readonly seeds: readonly number[];
  readonly comparison: Comparison;
  readonly entries: ReadonlyMap<number, PromptEntry>;
  readonly jobs: readonly Job[];
  /** SHA-256 over the files that the runs read. */
  readonly modelHash: string;
}

/** Reads the command line and the list. @throws UsageError or Error, one sentence */
export async function benchTask(list: ListName, args: Args, positionals: readonly string[]): Promise<BenchTask> {
  const model = chosenModel(args);
  const settings = await withBatch(await settingsFrom(args, model), model, args);
  const entries = firstOfCategories(await readEntries(list, positionals[0], model), countFlag(args, 'limit', 1));
  assertLayoutFits(list, entries);
  const seeds = parseSeeds(textFlag(args, 'seeds') ?? '0');
  const sweep = textFlag(args, 'sweep');
  const comparison = compared(settings, parseMethods(textFlag(args, 'methods') ?? ''), sweep ? parseSweeps(sweep) : []);
  const evaluator = list === 'pocket';
  const arms = await identified(model, comparison.arms, evaluator);
  const jobs = jobsOf(entries, seeds, arms);
  return {
    list,
    model,
    settings,
    seeds,
    comparison,
    entries: new Map(entries.map((entry) => [entry.index, entry])),
    jobs,
    modelHash: keyOf(Object.fromEntries(arms.map(({ name, identity }) => [name, identity.modelHash]))),
  };
}

/** The settings with a number of pictures at once; one is the same as none. @throws UsageError where it cannot be chosen */
async function withBatch(settings: RenoSettings, model: ChosenModel, args: Args): Promise<RenoSettings> {
  if (settings.batch !== 'auto') {
    return settings.batch === 1 ? withSettings(settings, { batch: undefined }) : settings;
  }
  using device = await openAdapter(adapterChoice(args));
  const room = batchRoom(settings, device.info.description);
  const batch = chosenBatch(await batchPlans(model, settings, room, device));
  console.error(`--batch auto: ${batch} at once`);
  return withSettings(settings, { batch: batch === 1 ? undefined : batch });
}

async function readEntries(list: ListName, path: string | undefined, model: ChosenModel): Promise<PromptEntry[]> {
  if (list === 'pocket' && path === undefined) {
    const file = 'heldout_prompts.json';
    const folder = (await model.files.has(file)) ? model.files : nodeFiles(model.folder);
    return readList(list, `${folder.name}/${file}`, await folder.readText(file));
  }
  if (path === undefined) {
    throw new UsageError(`name the file of the list: reno bench ${list} FILE`);
  }
  return readList(list, path, readTextFile('the list of prompts', path));
}
