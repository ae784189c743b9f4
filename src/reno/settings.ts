/** Everything that decides a run but the prompt and the seed. */
import { type Config, readConfig } from '../models/checkpoint/config.ts';
import type { ModelFiles } from '../models/checkpoint/files.ts';
import { COMPUTE_DTYPES, type ComputeDType } from '../models/layers/half_precision.ts';
import type { Mode } from './history.ts';
import { NOISE_SOURCES, type NoiseSource } from './noise/draw_noise.ts';
import { OPTIMIZERS, type OptimizerName } from './optimizer.ts';
import { DEFAULT_WEIGHTS, hasReward, REWARD_NAMES, type RewardName } from './rewards/index.ts';

export interface RenoSettings {
  readonly mode: Mode;
  readonly nIters: number;
  readonly lr: number;
  readonly optim: OptimizerName;
  readonly nesterov: boolean;
  readonly momentum: number;
  /** Adam's eps. The reference's is large, 1e-2. */
  readonly adamEps: number;
  readonly gradClip: number;
  readonly regWeight: number;
  readonly noise: NoiseSource;
  /** Height and width of the picture; null: what the generator was trained at. */
  readonly size: readonly [height: number, width: number] | null;
  /** How the networks' activations are stored. */
  readonly dtype: ComputeDType;
  /** Bytes of GPU buffers that the run may take at any time; absent: what it needs to be fast. */
  readonly budget?: number;
  /** 8: large weights are kept on the GPU as int8; absent: as they are stored. */
  readonly weightBits?: 8;
  /** Where the generator's step starts, if not where its scheduler's own does. */
  readonly timestep?: number;
  /** Weight of each reward; one of weight 0 is neither loaded nor computed. */
  readonly rewards: Readonly<Partial<Record<RewardName, number>>>;
}

/** The reference's defaults (arguments.py); rewards are those of the model folder. */
export const REFERENCE_SETTINGS: RenoSettings = {
  mode: 'reno',
  nIters: 50,
  lr: 5,
  optim: 'sgd',
  nesterov: true,
  momentum: 0.9,
  adamEps: 1e-2,
  gradClip: 0.1,
  regWeight: 0.01,
  noise: 'reno',
  size: null,
  dtype: 'f32',
  rewards: {},
};

/**
 * The defaults of a model folder: what its reno.json says, and where that is silent, the reference's values
 * with every reward whose folder is there. @throws Error naming the file and key when reno.json is wrong.
 */
export async function readSettings(files: ModelFiles): Promise<RenoSettings> {
  const there = await Promise.all(REWARD_NAMES.map((name) => hasReward(files, name)));
  const rewards = Object.fromEntries(
    REWARD_NAMES.filter((name, i) => there[i] && DEFAULT_WEIGHTS[name] > 0).map((name) => [
      name,
      DEFAULT_WEIGHTS[name],
    ]),
  );
  if (!(await files.has('reno.json'))) {
    return { ...REFERENCE_SETTINGS, rewards };
  }
  const config = await readConfig(files, 'reno.json');
  const number = (key: 'lr' | 'momentum' | 'adamEps' | 'gradClip' | 'regWeight'): number =>
    config.number(key, REFERENCE_SETTINGS[key]);
  return {
    mode: 'reno',
    nIters: config.count('nIters', REFERENCE_SETTINGS.nIters),
    lr: number('lr'),
    optim: config.oneOf('optim', OPTIMIZERS, REFERENCE_SETTINGS.optim),
    nesterov: config.boolean('nesterov', REFERENCE_SETTINGS.nesterov),
    momentum: number('momentum'),
    adamEps: number('adamEps'),
    gradClip: number('gradClip'),
    regWeight: number('regWeight'),
    noise: config.oneOf('noise', NOISE_SOURCES, REFERENCE_SETTINGS.noise),
    size: config.has('size') ? sizeFrom(config) : null,
    dtype: config.oneOf('dtype', COMPUTE_DTYPES, REFERENCE_SETTINGS.dtype),
    ...(config.has('budget') ? { budget: config.count('budget') } : {}),
    ...(config.has('weightBits') ? { weightBits: weightBitsFrom(config) } : {}),
    ...(config.has('timestep') ? { timestep: config.count('timestep') } : {}),
    rewards: config.has('rewards') ? rewardWeights(config) : rewards,
  };
}

function rewardWeights(config: Config): Partial<Record<RewardName, number>> {
  const section = config.section('rewards');
  const known = REWARD_NAMES.filter((name) => section.has(name));
  return Object.fromEntries(known.map((name) => [name, section.number(name)]));
}

function weightBitsFrom(config: Config): 8 {
  const bits = config.count('weightBits');
  return bits === 8 ? bits : config.fail('weightBits', 'must be 8, or absent for weights as they are stored');
}

function sizeFrom(config: Config): [number, number] {
  const [height, width, ...more] = config.counts('size');
  return height !== undefined && width !== undefined && more.length === 0
    ? [height, width]
    : config.fail('size', 'must be [height, width]');
}
