/** The reference's options (arguments.py), with its names: `--n-iters` or `--n_iters`. The table of settings declares them. */
import type { ArgsDef } from 'citty';
import {
  mapSettings,
  type RenoSettings,
  readSettings,
  SETTINGS,
  type Setting,
  withSettings,
} from '../reno/settings.ts';
import { type Args, isSet, valueFlag } from './args.ts';
import type { ChosenModel } from './chosen_model.ts';
import type { PlannedModel } from './plan/planned_model.ts';
import { chosenRewards, givenRewards, rewardFlags } from './reward_flags.ts';
import { UsageError } from './usage_error.ts';

/** The flags of the settings in the table that `wanted` accepts. */
function tableFlags(wanted: (setting: Setting<unknown, unknown>) => boolean): ArgsDef {
  const settings: Setting<unknown, unknown>[] = Object.values(SETTINGS);
  return Object.fromEntries(
    settings.filter(wanted).flatMap(({ flag, zero, kind: { options, hint } }) => {
      const { name = '', help = '' } = flag ?? {};
      const value = options ? { type: 'enum', options: [...options] } : { type: 'string', valueHint: hint };
      return [
        ...(flag ? [[name, { ...value, description: help }]] : []),
        ...(zero ? [[zero.name, { type: 'boolean', description: zero.help }]] : []),
      ];
    }),
  );
}

const modeFlags: ArgsDef = {
  'no-optim': { type: 'boolean', description: 'Only generate: one step, nothing optimised' },
  imageselect: { type: 'boolean', description: 'Choose the best of n noises instead of optimising one' },
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
  const own = await readSettings(model.files);
  return withSettings(own, { ...given, mode, rewards: await chosenRewards(rewards, own.rewards, model) });
}

function flagValue<T>(args: Args, { flag, zero, kind }: Setting<T, null | undefined>): T | undefined {
  const text = zero && isSet(args, zero.name) ? '0' : undefined;
  return flag && (text === undefined ? valueFlag(args, flag.name, kind) : kind.parse(text));
}

/** @throws UsageError where two modes are asked for */
function modeFrom(args: Args): RenoSettings['mode'] {
  const [single, select] = [isSet(args, 'no-optim'), isSet(args, 'imageselect')];
  if (single && select) {
    throw new UsageError('--no-optim and --imageselect exclude each other');
  }
  return single ? 'no-optim' : select ? 'imageselect' : 'reno';
}

/** As `settingsFrom`, for a model that is planned: a published one has all rewards, though its files are not here. */
export function plannedSettings(args: Args, { name, files, folder }: PlannedModel): Promise<RenoSettings> {
  const published = folder === undefined ? { folder: '', assertHere: () => {} } : { folder };
  return settingsFrom(args, { name, files, ...published });
}
