/** The reference's options (arguments.py), with its names: `--n-iters` or `--n_iters`. */
import type { ArgsDef } from 'citty';
import { COMPUTE_DTYPES, type ComputeDType } from '../models/layers/half_precision.ts';
import { NOISE_SOURCES, type NoiseSource } from '../reno/noise/draw_noise.ts';
import { OPTIMIZERS, type OptimizerName } from '../reno/optimizer.ts';
import { DEFAULT_WEIGHTS, hasReward, REWARD_NAMES, type RewardName } from '../reno/rewards/index.ts';
import { type RenoSettings, readSettings } from '../reno/settings.ts';
import { type Args, bytesFlag, countFlag, isSet, numberFlag, textFlag } from './args.ts';
import { UsageError } from './errors.ts';
import { type ChosenModel, flagName, parseRewardList } from './models.ts';

const rewardFlags: ArgsDef = Object.fromEntries(
  REWARD_NAMES.flatMap((name) => [
    [
      `${flagName(name)}-weighting`,
      {
        type: 'string',
        alias: [`${flagName(name)}-weight`],
        description: `Weight of reward ${flagName(name)}; 0 leaves it out`,
        valueHint: 'number',
      },
    ],
    [`disable-${flagName(name)}`, { type: 'boolean', description: `Leave reward ${flagName(name)} out` }],
  ]),
);

export const settingsFlags: ArgsDef = {
  'n-iters': { type: 'string', description: 'Iterations, or noises to choose from', valueHint: 'n' },
  lr: { type: 'string', description: 'Learning rate', valueHint: 'number' },
  optim: { type: 'enum', options: [...OPTIMIZERS], description: 'Optimiser' },
  'grad-clip': { type: 'string', description: 'Largest norm of the gradient', valueHint: 'number' },
  'reg-weight': { type: 'string', description: 'Weight of the noise regulariser', valueHint: 'number' },
  'disable-reg': { type: 'boolean', description: 'No noise regulariser' },
  noise: {
    type: 'enum',
    options: [...NOISE_SOURCES],
    description: "Who makes a seed's noise: this engine, or PyTorch's randn on the CPU (f32) or on CUDA (f16)",
  },
  size: {
    type: 'string',
    description: "Picture in pixels, such as 512 or 768x512 (width x height); default: the generator's own",
    valueHint: 'n',
  },
  dtype: {
    type: 'enum',
    options: [...COMPUTE_DTYPES],
    description: "How the networks' activations (and f32 weights) are stored: f16 takes half the memory",
  },
  budget: {
    type: 'string',
    description:
      'GPU memory that the run may take, such as 8GiB; activations are computed again and weights brought in as needed',
    valueHint: 'size',
  },
  'weight-bits': {
    type: 'enum',
    options: ['8'],
    description: 'Keep large weights on the GPU as int8, rounded: half the memory of f16, and a little slower',
  },
  rewards: { type: 'string', description: 'Only these rewards, such as hps,clip', valueHint: 'list' },
  ...rewardFlags,
  'no-optim': { type: 'boolean', description: 'Only generate: one step, nothing optimised' },
  imageselect: { type: 'boolean', description: 'Choose the best of n noises instead of optimising one' },
};

/** The model's own settings with what the command line changes. @throws UsageError, one sentence */
export async function settingsFrom(args: Args, model: ChosenModel): Promise<RenoSettings> {
  // Flags are checked first: a wrong command line is reported even where the weights are missing.
  const given = {
    nIters: countFlag(args, 'n-iters', 1),
    lr: numberFlag(args, 'lr', 0),
    gradClip: numberFlag(args, 'grad-clip', 0),
    regWeight: isSet(args, 'disable-reg') ? 0 : numberFlag(args, 'reg-weight', 0),
    noise: NOISE_SOURCES.find((name): name is NoiseSource => name === textFlag(args, 'noise')),
    size: sizeFlag(args),
    budget: bytesFlag(args, 'budget'),
    weightBits: textFlag(args, 'weight-bits') === '8' ? (8 as const) : undefined,
    dtype: COMPUTE_DTYPES.find((name): name is ComputeDType => name === textFlag(args, 'dtype')),
    optim: OPTIMIZERS.find((name): name is OptimizerName => name === textFlag(args, 'optim')),
  };
  const only = textFlag(args, 'rewards');
  const listed = only === undefined ? undefined : parseRewardList(only);
  const weights = new Map(REWARD_NAMES.map((name) => [name, numberFlag(args, `${flagName(name)}-weighting`, 0)]));
  if (isSet(args, 'no-optim') && isSet(args, 'imageselect')) {
    throw new UsageError('--no-optim and --imageselect exclude each other');
  }

  const own = await readSettings(model.files);
  const rewards: Partial<Record<RewardName, number>> = {};
  for (const name of REWARD_NAMES) {
    const stated = weights.get(name) ?? own.rewards[name];
    const weight = stated ?? (listed ? DEFAULT_WEIGHTS[name] : 0);
    const wanted = (listed?.includes(name) ?? true) && !isSet(args, `disable-${flagName(name)}`);
    if (wanted && listed && stated === undefined && weight === 0) {
      throw new UsageError(`reward ${flagName(name)} has no weight of its own; give --${flagName(name)}-weighting`);
    }
    if (wanted && weight > 0) {
      rewards[name] = weight;
    }
  }
  for (const name of model.assertHere ? [] : REWARD_NAMES) {
    if (rewards[name] !== undefined && !(await hasReward(model.files, name))) {
      throw new UsageError(`model ${model.name} has no reward ${flagName(name)}: ${model.folder}/${name} is not there`);
    }
  }
  if (Object.keys(rewards).length === 0) {
    throw new UsageError('no reward is left; ReNO needs at least one of weight above 0');
  }
  model.assertHere?.(REWARD_NAMES.filter((name) => rewards[name] !== undefined));
  return {
    mode: isSet(args, 'no-optim') ? 'no-optim' : isSet(args, 'imageselect') ? 'imageselect' : 'reno',
    nIters: given.nIters ?? own.nIters,
    lr: given.lr ?? own.lr,
    optim: given.optim ?? own.optim,
    nesterov: own.nesterov,
    momentum: own.momentum,
    adamEps: own.adamEps,
    gradClip: given.gradClip ?? own.gradClip,
    regWeight: given.regWeight ?? own.regWeight,
    noise: given.noise ?? own.noise,
    size: given.size ?? own.size,
    dtype: given.dtype ?? own.dtype,
    ...budgetOf(given.budget ?? own.budget),
    ...weightBitsOf(given.weightBits ?? own.weightBits),
    ...(own.timestep === undefined ? {} : { timestep: own.timestep }),
    rewards,
  };
}

/** `--size 512` or `--size 768x512`, as [height, width]. @throws UsageError */
function sizeFlag(args: Args): readonly [number, number] | undefined {
  const text = textFlag(args, 'size');
  if (text === undefined) {
    return undefined;
  }
  const [, width = '', height = width] = /^([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?$/.exec(text) ?? [];
  if (width === '') {
    throw new UsageError(`--size must be pixels, such as 512 or 768x512 (width x height), not "${text}"`);
  }
  return [Number(height), Number(width)];
}

const weightBitsOf = (weightBits: 8 | undefined): Pick<RenoSettings, 'weightBits'> =>
  weightBits === undefined ? {} : { weightBits };
const budgetOf = (budget: number | undefined): Pick<RenoSettings, 'budget'> => (budget === undefined ? {} : { budget });
