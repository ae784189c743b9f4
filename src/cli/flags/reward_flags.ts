/** The flags that choose rewards and their weights. */
import type { ArgsDef } from 'citty';
import { hasReward, REWARD_NAMES, REWARDS, type RewardName, type RewardWeights } from '../../reno/rewards/index.ts';
import { REWARD_WEIGHT } from '../../reno/settings/settings.ts';
import { UsageError } from '../usage_error.ts';
import type { ChosenModel } from '../weights/chosen_model.ts';
import { type Args, isSet, textFlag, valueFlag } from './args.ts';

/** The reference's flags spell `image_reward` as `imagereward`. */
export function rewardFlagName(reward: RewardName): string {
  return reward.replaceAll('_', '');
}

export const rewardFlags: ArgsDef = {
  rewards: { type: 'string', description: 'Only these rewards, such as hps,clip', valueHint: 'list' },
  ...Object.fromEntries(
    REWARD_NAMES.map(rewardFlagName).flatMap((name) => [
      [
        `${name}-weighting`,
        {
          type: 'string',
          alias: [`${name}-weight`],
          description: `Weight of reward ${name}; 0 leaves it out`,
          valueHint: 'number',
        },
      ],
      [`disable-${name}`, { type: 'boolean', description: `Leave reward ${name} out` }],
    ]),
  ),
};

/** The rewards that the command line changes. */
interface GivenRewards {
  /** Only these; undefined: those of the model. */
  readonly listed: readonly RewardName[] | undefined;
  readonly weights: ReadonlyMap<RewardName, number>;
  readonly disabled: ReadonlySet<RewardName>;
}

/** Reads the reward flags. @throws UsageError for a reward that does not exist or a weight that is no number */
export function givenRewards(args: Args): GivenRewards {
  const list = textFlag(args, 'rewards');
  return {
    listed: list === undefined ? undefined : parseRewardList(list),
    weights: new Map(
      REWARD_NAMES.flatMap((name) => {
        const weight = valueFlag(args, `${rewardFlagName(name)}-weighting`, REWARD_WEIGHT);
        return weight === undefined ? [] : [[name, weight] as const];
      }),
    ),
    disabled: new Set(REWARD_NAMES.filter((name) => isSet(args, `disable-${rewardFlagName(name)}`))),
  };
}

/** A comma-separated list of rewards. @throws UsageError naming the one that does not exist */
function parseRewardList(text: string): RewardName[] {
  return text.split(',').map((part) => {
    const word = part.trim();
    const found = REWARD_NAMES.find((name) => name === word || rewardFlagName(name) === word.replaceAll('-', ''));
    if (!found) {
      throw new UsageError(
        `there is no reward "${word}"; the rewards are ${REWARD_NAMES.map(rewardFlagName).join(', ')}`,
      );
    }
    return found;
  });
}

/**
 * The rewards of a run: the model's own with the changes of the command line.
 * @throws UsageError where a reward has no weight or no files, or none is left
 */
export async function chosenRewards(
  { listed, weights, disabled }: GivenRewards,
  own: RewardWeights,
  model: ChosenModel,
): Promise<RewardWeights> {
  const rewards: Partial<Record<RewardName, number>> = {};
  for (const { name, defaultWeight } of REWARDS) {
    const stated = weights.get(name) ?? own[name];
    const weight = stated ?? (listed ? defaultWeight : 0);
    const wanted = (listed?.includes(name) ?? true) && !disabled.has(name);
    if (wanted && listed && stated === undefined && weight === 0) {
      throw new UsageError(
        `reward ${rewardFlagName(name)} has no weight of its own; give --${rewardFlagName(name)}-weighting`,
      );
    }
    if (wanted && weight > 0) {
      rewards[name] = weight;
    }
  }
  const chosen = REWARD_NAMES.filter((name) => rewards[name] !== undefined);
  if (chosen.length === 0) {
    throw new UsageError('no reward is left; ReNO needs at least one of weight above 0');
  }
  await assertRewardsHere(chosen, model);
  return rewards;
}

/** Checks that a model has the files of rewards. @throws UsageError, one sentence, naming the first that it has not */
export async function assertRewardsHere(names: readonly RewardName[], model: ChosenModel): Promise<void> {
  for (const name of model.assertHere ? [] : names) {
    if (!(await hasReward(model.files, name))) {
      throw new UsageError(
        `model ${model.name} has no reward ${rewardFlagName(name)}: ${model.folder}/${name} is not there`,
      );
    }
  }
  model.assertHere?.(names);
}
