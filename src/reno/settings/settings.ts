/** Everything that decides a run except the prompt and the seed. Each setting is declared once, in `SETTINGS`. */

import { type Config, inertKeys } from '../../models/checkpoint/config.ts';
import type { ModelFiles } from '../../models/checkpoint/files.ts';
import { readConfig } from '../../models/checkpoint/read_config.ts';
import { COMPUTE_DTYPES } from '../../models/layers/half_precision.ts';
import { NOISE_SOURCES } from '../noise/draw_noise.ts';
import { OPTIMIZERS } from '../optimizers/optimizer.ts';
import { hasReward, REWARDS, type RewardWeights } from '../rewards/index.ts';
import { PROJECTIONS, REGULARISERS } from '../search/method.ts';
import { rewardNameKind, rewardNamesKind } from './reward_kinds.ts';
import {
  batchKind,
  booleanKind,
  bytesKind,
  choiceKind,
  countKind,
  eightBitsKind,
  type Kind,
  namesKind,
  numberKind,
  pixelsKind,
} from './setting_kinds.ts';

/**
 * `reno` optimises the noise, `imageselect` chooses the best of several noises, `no-optim` takes one noise as it is, `multi-start`
 * judges many noises and optimises the best of them, `preconditioned` optimises the noise in directions that look like noise,
 * `zeroth-order` moves it by the losses of noises around it, without a gradient.
 */
export type Mode = 'reno' | 'imageselect' | 'no-optim' | 'multi-start' | 'preconditioned' | 'zeroth-order';

/** The places besides reno.json in which a setting appears. */
interface Appearance {
  /** The name of its flag on the command line (src/cli/flags/settings_help.ts describes it). */
  readonly flag?: string;
  /** A second flag, without a value, that sets the setting to 0. */
  readonly zero?: string;
  /** Whether history.json records the value. */
  readonly recorded?: true;
  /** Whether memory and work depend on it: if so, `reno plan` has a flag for it. Default: true. */
  readonly planned?: false;
  /** The only method that uses it; its flag is refused with others. */
  readonly method?: Mode;
}

/** A setting with values of type T; `Absent` is undefined or null where a run can do without a value. */
export interface Setting<T, Absent = never> extends Appearance {
  readonly kind: Kind<T>;
  readonly initial: T | Absent;
}

function setting<T, const A extends Appearance>(kind: Kind<T>, initial: NoInfer<T>, appearance: A): Setting<T> & A {
  return { kind, initial, ...appearance };
}

/** A setting without a value unless somebody gives one. */
function optional<T, Absent extends null | undefined, const A extends Appearance>(
  kind: Kind<T>,
  initial: Absent,
  appearance: A,
): Setting<T, Absent> & A {
  return { kind, initial, ...appearance };
}

/**
 * All settings by their key in reno.json and history.json, in the order of the help texts. Initial values are the reference's
 * (arguments.py). A new setting is one entry here, the description of its flag,
 * and its use in the loop.
 */
export const SETTINGS = {
  /** Iterations of a run, or noises to choose from. */
  nIters: setting(countKind(1, 1_000_000), 50, {
    flag: 'n-iters',
    recorded: true,
    planned: false,
  }),
  /** The optimiser's learning rate. */
  lr: setting(numberKind(0, 1e6), 5, { flag: 'lr', recorded: true, planned: false }),
  /** The optimiser of the noise. */
  optim: setting(choiceKind(OPTIMIZERS), 'sgd', { flag: 'optim', recorded: true }),
  /** Whether SGD uses Nesterov momentum. */
  nesterov: setting(booleanKind, true, {}),
  /** SGD's momentum. */
  momentum: setting(numberKind(0, 1), 0.9, {}),
  /** Adam's eps. The reference's is large, 1e-2. */
  adamEps: setting(numberKind(0, 1e6), 1e-2, {}),
  /** Largest 2-norm of the gradient that reaches the optimiser. */
  gradClip: setting(numberKind(0, 1e6), 0.1, {
    flag: 'grad-clip',
    recorded: true,
    planned: false,
  }),
  /** Weight of the regulariser; 0 turns it off. */
  regWeight: setting(numberKind(0, 1e6), 0.01, {
    flag: 'reg-weight',
    zero: 'disable-reg',
    recorded: true,
  }),
  /** The properties of the noise that the regulariser holds: its norm, or its moments and power spectrum; absent: the norm. */
  reg: optional(choiceKind(REGULARISERS), undefined, {
    flag: 'reg',
    recorded: true,
  }),
  /** The generator of the noise. history.json records it with the noise's shape and draw. */
  noise: setting(choiceKind(NOISE_SOURCES), 'reno', {
    flag: 'noise',
    planned: false,
  }),
  /** Height and width of the picture; null: the size that the generator was trained at. */
  size: optional(pixelsKind, null, {
    flag: 'size',
  }),
  /** The storage of the networks' activations. */
  dtype: setting(choiceKind(COMPUTE_DTYPES), 'f32', {
    flag: 'dtype',
    recorded: true,
  }),
  /** Modules, by their paths in the graph, whose activations are stored as f32 beside dtype f16; absent: none. */
  f32Modules: optional(namesKind, undefined, {
    flag: 'f32-modules',
    recorded: true,
  }),
  /** Most bytes of GPU buffers at any time; absent: as many as a fast run needs. */
  budget: optional(bytesKind, undefined, {
    flag: 'budget',
  }),
  /** 8: large weights are kept on the GPU as int8; absent: weights are kept as they are stored. */
  weightBits: optional(eightBitsKind, undefined, {
    flag: 'weight-bits',
    recorded: true,
  }),
  /** Pictures that are made at once, each of a prompt of its own; absent: one. */
  batch: optional(batchKind, undefined, {
    flag: 'batch',
    recorded: true,
  }),
  /** Noises that a search from many judges; absent: as many as `nIters` iterations allow. */
  candidates: optional(countKind(1, 1_000_000), undefined, {
    flag: 'candidates',
    planned: false,
    method: 'multi-start',
  }),
  /** The number of best candidates that are ascended; absent: as many as `nIters` iterations allow. */
  chains: optional(countKind(1, 1_000_000), undefined, {
    flag: 'chains',
    planned: false,
    method: 'multi-start',
  }),
  /** Iterations of each ascent; absent: 5, or fewer where `nIters` allows no more. */
  chainSteps: optional(countKind(1, 1_000_000), undefined, {
    flag: 'chain-steps',
    planned: false,
    method: 'multi-start',
  }),
  /** The parts of a preconditioned run that are projected on vectors that look like white noise; absent: the gradient. */
  project: optional(choiceKind(PROJECTIONS), undefined, {
    flag: 'project',
    recorded: true,
    method: 'preconditioned',
  }),
  /** Noises of a round of a search without a gradient, an even number. */
  samples: setting(countKind(2, 1_000_000), 8, {
    flag: 'samples',
    planned: false,
    method: 'zeroth-order',
  }),
  /** The share of fresh noise in each of them. */
  radius: setting(numberKind(0, 1), 0.5, {
    flag: 'radius',
    planned: false,
    method: 'zeroth-order',
  }),
  /** Rewards that are computed and recorded and have no part in the loss; absent: none. */
  watch: optional(rewardNamesKind, undefined, {
    flag: 'watch',
    recorded: true,
  }),
  /** The reward by which the best picture is chosen; absent: the weighted loss. */
  selectBy: optional(rewardNameKind, undefined, {
    flag: 'select-by',
    recorded: true,
  }),
  /** The timestep of the generator's one step; absent: its scheduler's own. */
  timestep: optional(countKind(1, 100_000), undefined, {}),
};

type Table = typeof SETTINGS;
type NameOf<S> =
  | (S extends { readonly flag: infer N } ? N : never)
  | (S extends { readonly zero: infer N } ? N : never);
/** The names of all flags of settings. */
export type SettingFlag = NameOf<Table[keyof Table]>;
export type SettingName = keyof Table;
type Value<K extends SettingName> = Table[K]['initial'];
type Optional = { [K in SettingName]: undefined extends Value<K> ? K : never }[SettingName];

/** The values of all settings in the table. What is mapped from `Pick` keeps the table's descriptions. */
type TableValues = { readonly [K in keyof Pick<Table, Exclude<SettingName, Optional>>]: Value<K> } & {
  readonly [K in keyof Pick<Table, Optional>]?: Exclude<Value<K>, undefined>;
};

/** The settings that history.json records under their own names. */
export type RecordedSetting = {
  [K in SettingName]: Table[K] extends { readonly recorded: true } ? K : never;
}[SettingName];

/** All settings of a run. */
export interface RenoSettings extends TableValues {
  /** The use of the noise: optimise it, choose among several, or take it as it is. */
  readonly mode: Mode;
  /** The weight of each reward; a reward of weight 0 is neither loaded nor computed. */
  readonly rewards: RewardWeights;
}

/** The weight of a reward, in reno.json and as a flag. */
export const REWARD_WEIGHT: Kind<number> = numberKind(0, 1e6);

const NAMES = Object.keys(SETTINGS) as SettingName[];
const RECORDED = NAMES.filter((name): name is RecordedSetting => 'recorded' in SETTINGS[name]);

/** Asks `value` for the value of every setting; where it answers undefined, the setting is left out. */
export function mapSettings(
  value: <T>(setting: Setting<T, null | undefined>, name: SettingName) => T | null | undefined,
): Partial<TableValues> {
  const values = NAMES.map((name) => [name, value<unknown>(SETTINGS[name], name)] as const);
  return Object.fromEntries(values.filter((entry) => entry[1] !== undefined));
}

function pick<K extends SettingName>(settings: SettingChanges, names: readonly K[]): Pick<RenoSettings, K> {
  const values = names.map((name) => [name, settings[name]] as const);
  return Object.fromEntries(values.filter((entry) => entry[1] !== undefined)) as Pick<RenoSettings, K>;
}

/** The settings that history.json records under their own names. */
export function recordedSettings(settings: RenoSettings): Pick<RenoSettings, RecordedSetting> {
  return pick(settings, RECORDED);
}

/** Settings that differ from others; undefined takes an optional one away. */
export type SettingChanges = Partial<Omit<RenoSettings, Optional>> & {
  readonly [K in Optional]?: RenoSettings[K] | undefined;
};

/** Settings with some of them changed. The keys are always in the order of the table, so that equal settings are equal as JSON. */
export function withSettings(settings: RenoSettings, changes: SettingChanges): RenoSettings {
  const changed = { ...settings, ...changes };
  return { mode: changed.mode, ...pick(changed, NAMES), rewards: changed.rewards };
}

/** The reference's defaults (arguments.py), without any reward: those are in the model folder. */
export const REFERENCE_SETTINGS: RenoSettings = {
  mode: 'reno',
  ...(mapSettings(({ initial }) => initial) as TableValues),
  rewards: {},
};

/**
 * The defaults of a model folder: the values in its reno.json; where that is silent, the reference's values
 * with every reward whose folder is there. @throws Error naming the file and key when reno.json is wrong.
 */
export async function readSettings(files: ModelFiles): Promise<RenoSettings> {
  const rewards = await defaultRewards(files);
  if (!(await files.has('reno.json'))) {
    return { ...REFERENCE_SETTINGS, rewards };
  }
  const config = await readConfig(files, 'reno.json');
  const settings = withSettings(REFERENCE_SETTINGS, {
    ...mapSettings(({ kind }, name) => (config.has(name) ? kind.read(config, name) : undefined)),
    rewards: config.has('rewards') ? rewardWeights(config) : rewards,
  });
  config.assertAllKnown(inertKeys());
  return settings;
}

/** The rewards whose folders are there, with the reference's weights. */
async function defaultRewards(files: ModelFiles): Promise<RewardWeights> {
  const there = await Promise.all(REWARDS.map((reward) => hasReward(files, reward.name)));
  const chosen = REWARDS.filter(({ defaultWeight }, i) => there[i] && defaultWeight > 0);
  return Object.fromEntries(chosen.map(({ name, defaultWeight }) => [name, defaultWeight]));
}

function rewardWeights(config: Config): RewardWeights {
  const section = config.section('rewards');
  const known = REWARDS.filter(({ name }) => section.has(name));
  const weights = known.map(({ name }) => [name, REWARD_WEIGHT.read(section, name)] as const);
  section.assertAllKnown(inertKeys());
  return Object.fromEntries(weights);
}
