/** The reference's options (arguments.py), with its names: `--n-iters` or `--n_iters`. The table of settings declares them. */
import type { ArgsDef } from 'citty';
import { multiStartOf, withMethod } from '../../reno/search/method.ts';
import { METHOD_NAMES, METHODS, methodOf } from '../../reno/search/method_names.ts';
import {
  type Mode,
  mapSettings,
  type RenoSettings,
  readSettings,
  SETTINGS,
  type Setting,
  withSettings,
} from '../../reno/settings/settings.ts';
import { assertMethodFits } from '../../reno/settings/settings_fit.ts';
import type { PlannedModel } from '../plan/planned_model.ts';
import { sentenceOf, UsageError } from '../usage_error.ts';
import type { ChosenModel } from '../weights/chosen_model.ts';
import { type Args, isSet, textFlag, valueFlag } from './args.ts';
import { assertRewardsHere, chosenRewards, givenRewards, rewardFlags } from './reward_flags.ts';
import { SETTINGS_HELP } from './settings_help.ts';

const descriptionOf = (flag: string): string => (SETTINGS_HELP as Readonly<Record<string, string>>)[flag] ?? '';

/** The flags of the settings in the table that `wanted` accepts. */
function tableFlags(wanted: (setting: Setting<unknown, unknown>) => boolean): ArgsDef {
  const settings: Setting<unknown, unknown>[] = Object.values(SETTINGS);
  return Object.fromEntries(
    settings.filter(wanted).flatMap(({ flag, zero, kind: { options, hint } }) => {
      const value = options ? { type: 'enum', options: [...options] } : { type: 'string', valueHint: hint };
      return [
        ...(flag ? [[flag, { ...value, description: descriptionOf(flag) }]] : []),
        ...(zero ? [[zero, { type: 'boolean', description: descriptionOf(zero) }]] : []),
      ];
    }),
  );
}

const modeFlags: ArgsDef = {
  method: {
    type: 'enum',
    options: METHOD_NAMES,
    description: 'How the noise is found (default: reno; docs/search.md says when to take which)',
  },
  'no-optim': { type: 'boolean', description: 'Only generate: one step, nothing optimised' },
  imageselect: { type: 'boolean', description: 'The same as --method best-of-n' },
};

/** The flags of a command that always optimises. */
export const optimisingFlags: ArgsDef = { ...tableFlags(() => true), ...rewardFlags };

/** The flags of all settings. */
export const settingsFlags: ArgsDef = { ...optimisingFlags, ...modeFlags };

/** The flags of the settings that memory and work depend on. */
export const plannedFlags: ArgsDef = {
  ...tableFlags(({ planned = true }) => planned),
  ...rewardFlags,
  ...modeFlags,
};

/** The model's own settings with the changes of the command line. @throws UsageError, one sentence */
export async function settingsFrom(args: Args, model: ChosenModel): Promise<RenoSettings> {
  // Flags are checked first: a wrong command line is reported even where the weights are missing.
  const given = mapSettings((setting) => flagValue(args, setting));
  const rewards = givenRewards(args);
  const mode = modeFrom(args);
  assertFlagsOfMethod(args, mode);
  const own = withMethod(await readSettings(model.files), { ...given, mode });
  const settings = withSettings(own, { ...given, rewards: await chosenRewards(rewards, own.rewards, model) });
  assertFits(settings);
  await assertRewardsHere(settings.watch ?? [], model);
  return settings;
}

/** @throws UsageError, one sentence, where a flag belongs to another method */
function assertFlagsOfMethod(args: Args, mode: Mode): void {
  for (const { flag, method } of Object.values<Setting<unknown, unknown>>(SETTINGS)) {
    if (flag && method && method !== mode && isGiven(args, flag)) {
      const here = methodOf(mode);
      throw new UsageError(
        `--${flag} belongs to --method ${methodOf(method)}, and ${here ? `the method is ${here}` : 'nothing is searched here'}`,
      );
    }
  }
}

const isGiven = (args: Args, flag: string): boolean => isSet(args, flag) || textFlag(args, flag) !== undefined;

/** @throws UsageError, one sentence, where the settings do not fit their method */
function assertFits(settings: RenoSettings): void {
  try {
    assertMethodFits(settings, multiStartOf(settings));
  } catch (error) {
    throw new UsageError(sentenceOf(error));
  }
}

/** Checks that one picture is made at a time. @throws UsageError, one sentence, where several are asked for */
export function assertOnePicture({ batch = 1 }: RenoSettings): void {
  if (batch !== 1) {
    throw new UsageError(
      '--batch makes pictures of several prompts at once, which "reno bench" does: leave it out here',
    );
  }
}

function flagValue<T>(args: Args, { flag, zero, kind }: Setting<T, null | undefined>): T | undefined {
  const text = zero && isSet(args, zero) ? '0' : undefined;
  return flag === undefined ? undefined : text === undefined ? valueFlag(args, flag, kind) : kind.parse(text);
}

/** The mode that the flags ask for. @throws UsageError where two are asked for */
function modeFrom(args: Args): Mode {
  const method = METHOD_NAMES.find((name) => name === textFlag(args, 'method'));
  const asked = [
    ...(isSet(args, 'no-optim') ? [{ flag: '--no-optim', mode: 'no-optim' as const }] : []),
    ...(isSet(args, 'imageselect') ? [{ flag: '--imageselect', mode: 'imageselect' as const }] : []),
    ...(method ? [{ flag: `--method ${method}`, mode: METHODS[method] }] : []),
  ];
  const [first, second] = asked;
  if (first && second && first.mode !== second.mode) {
    throw new UsageError(`${first.flag} and ${second.flag} exclude each other`);
  }
  return first?.mode ?? 'reno';
}

/** As `settingsFrom`, for a model that is planned: a published one has all rewards, though its files are not here. */
export function plannedSettings(args: Args, { name, files, folder }: PlannedModel): Promise<RenoSettings> {
  const published = folder === undefined ? { folder: '', assertHere: () => {} } : { folder };
  return settingsFrom(args, { name, files, ...published });
}
