/** `reno profile`: times each dispatch of an iteration on the GPU, beside iterations that are not profiled. */
import { openAdapter } from '../../src/cli/adapter.ts';
import { type Args, type Command, countFlag, textFlag } from '../../src/cli/flags/args.ts';
import { plannedFlags, plannedSettings } from '../../src/cli/flags/settings_flags.ts';
import { adapterChoice, adapterFlags, finish, jsonFlag, toolVersion } from '../../src/cli/flags/shared.ts';
import { OutFolder } from '../../src/cli/generate/out_folder.ts';
import { PLANNED_MODELS, plannedModel } from '../../src/cli/plan/planned_model.ts';
import { measurePeaks } from '../../src/kernels/measured_peaks.ts';
import { collectProfile } from '../../src/tensor/profile/collect_profile.ts';
import { coverage, profileRows } from '../../src/tensor/profile/group_rows.ts';
import type { Profile } from '../../src/tensor/profile/profile.ts';
import { diffCommand, printComparison } from './diff.ts';
import { COVERAGE_BOUND, profileLines, profileSummary } from './print_profile.ts';
import { profileAt, writeProfile } from './profile_files.ts';
import { profiledPlan } from './profiled_plan.ts';
import { DEFAULT_DEPTH, DEFAULT_TOP, groupingOf, tableFlags } from './table_flags.ts';

const DEFAULT_RUNS = 7;

/** 8-bit weights are made from files alone, and a profile reads none. */
const { 'weight-bits': _, ...workFlags } = plannedFlags;

export const command: Command = {
  meta: { name: 'profile', description: "Show where an iteration's time goes, dispatch by dispatch" },
  args: {
    model: {
      type: 'string',
      description: `Model: ${PLANNED_MODELS.join(', ')}, or a folder of one; its weights are made on the GPU, none are read`,
      default: 'pocket',
      valueHint: 'name',
    },
    ...workFlags,
    runs: { type: 'string', description: 'Runs whose median counts', default: String(DEFAULT_RUNS), valueHint: 'n' },
    ...tableFlags,
    out: {
      type: 'string',
      description:
        'Write profile.json, profile.csv, trace.json (for ui.perfetto.dev) and profile.html into this folder',
      valueHint: 'folder',
    },
    against: {
      type: 'string',
      description: 'Compare with an earlier profile.json, or the folder that holds it',
      valueHint: 'file',
    },
    ...adapterFlags,
    ...jsonFlag,
  },
  subCommands: { diff: diffCommand },
  run: profile,
};

async function profile(args: Args): Promise<number> {
  const by = groupingOf(args);
  const runs = countFlag(args, 'runs', 1) ?? DEFAULT_RUNS;
  const [depth, top] = [countFlag(args, 'depth', 1) ?? DEFAULT_DEPTH, countFlag(args, 'top', 1) ?? DEFAULT_TOP];
  const model = plannedModel(textFlag(args, 'model') ?? 'pocket');
  const settings = await plannedSettings(args, model);
  const against = textFlag(args, 'against');
  const earlier = against === undefined ? null : profileAt(against);
  const folder = textFlag(args, 'out');
  const out = folder === undefined ? null : new OutFolder(folder);
  try {
    using device = await openAdapter(adapterChoice(args));
    const { plan, subject } = await profiledPlan(device, model, settings);
    using _ = plan;
    const peaks = await measurePeaks(device);
    const made = await collectProfile(device, plan, {
      runs,
      peaks,
      subject,
      tool: toolVersion(),
      date: new Date().toISOString(),
      onRun: (done, all) => console.error(`run ${done} of ${all}`),
    });
    const rows = profileRows(made, by, depth);
    console.log(profileLines(made, rows, by, top).join('\n'));
    for (const path of out ? writeProfile(out, made) : []) {
      console.log(path);
    }
    if (!earlier) {
      return finish(args, isWhole(made), profileSummary(made), rows);
    }
    console.log(profileSummary(made));
    return printComparison(args, earlier, made, isWhole(made));
  } finally {
    out?.discardIfEmpty();
  }
}

const isWhole = (profile: Profile): boolean => Math.abs(coverage(profile) - 1) <= COVERAGE_BOUND;
