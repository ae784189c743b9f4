/** `reno profile diff`: compares two profiles, and says which changes are more than noise. */
import { type Args, type Command, countFlag } from '../../src/cli/flags/args.ts';
import { finish, jsonFlag } from '../../src/cli/flags/shared.ts';
import { UsageError } from '../../src/cli/usage_error.ts';
import { compareProfiles, FEWEST_RUNS } from '../../src/tensor/profile/compare_profiles.ts';
import type { Grouping } from '../../src/tensor/profile/group_rows.ts';
import type { Profile } from '../../src/tensor/profile/profile.ts';
import { comparisonLines, comparisonSummary } from './print_profile.ts';
import { profileAt } from './profile_files.ts';
import { DEFAULT_DEPTH, DEFAULT_TOP, groupingOf, tableFlags } from './table_flags.ts';

export const diffCommand: Command = {
  meta: { name: 'diff', description: 'Compare two profiles and say which changes are more than noise' },
  positionals: { name: 'profiles', description: 'Two profile.json, or folders of --out: before and after' },
  args: { ...tableFlags, ...jsonFlag },
  run: diff,
};

async function diff(args: Args, positionals: readonly string[]): Promise<number> {
  const [before, after, ...others] = positionals;
  if (before === undefined || after === undefined || others.length > 0) {
    throw new UsageError(`reno profile diff compares two profiles, and ${positionals.length} were given`);
  }
  return printComparison(args, profileAt(before), profileAt(after), true);
}

/** Prints the comparison. @param ok whether the profiles are good @returns the exit code */
export function printComparison(args: Args, before: Profile, after: Profile, ok: boolean): number {
  const by: Grouping = groupingOf(args);
  const comparison = compareProfiles(before, after, by, countFlag(args, 'depth', 1) ?? DEFAULT_DEPTH);
  for (const [what, a, b] of [
    ['computations', before.subject, after.subject],
    ['adapters', before.adapter.description, after.adapter.description],
  ] as const) {
    if (a !== b) {
      console.error(`note: the two profiles are of different ${what}: ${a} and ${b}`);
    }
  }
  console.log(comparisonLines(comparison, by, countFlag(args, 'top', 1) ?? DEFAULT_TOP).join('\n'));
  return finish(args, ok, comparisonSummary(comparison, by, FEWEST_RUNS), [comparison.step, ...comparison.rows]);
}
