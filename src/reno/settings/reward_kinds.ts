/** Settings that name rewards. */
import { REWARD_NAMES, type RewardName } from '../rewards/index.ts';
import { type Kind, namesKind } from './setting_kinds.ts';

/** A reward; flags may leave its underscores out. */
export const rewardNameKind: Kind<RewardName> = {
  read: (config, key) => config.oneOf(key, REWARD_NAMES),
  parse: rewardNamed,
  hint: 'name',
};

/** Rewards in the order of the alphabet, each once; a flag gives them with commas between. */
export const rewardNamesKind: Kind<readonly RewardName[]> = {
  read: (config, key) =>
    namesKind
      .read(config, key)
      .map((name) => REWARD_NAMES.find((known) => known === name) ?? config.fail(key, `names no reward "${name}"`)),
  parse: (text) => namesKind.parse(text).map(rewardNamed),
  hint: 'list',
};

function rewardNamed(word: string): RewardName {
  const plain = (name: string): string => name.replaceAll(/[_-]/g, '');
  const found = REWARD_NAMES.find((name) => plain(name) === plain(word));
  if (!found) {
    throw new RangeError(`must name rewards (${REWARD_NAMES.join(', ')}), not "${word}"`);
  }
  return found;
}
