/** The list of all rewards. */
import type { ModelFiles } from '../../models/checkpoint/files.ts';
import type { ComputeDType } from '../../models/layers/half_precision.ts';
import type { Graph } from '../../tensor/graph.ts';
import { AESTHETIC } from './aesthetic.ts';
import { shareCosines } from './clip_cosines.ts';
import { ClipReward } from './clip_reward.ts';
import { CLIP_SCORE } from './clip_score.ts';
import { HPS } from './hps.ts';
import { IMAGE_REWARD } from './image_reward.ts';
import { PICK_SCORE } from './pick_score.ts';
import type { Reward, RewardDefinition } from './reward.ts';

export type { Reward, RewardDefinition } from './reward.ts';

/** All rewards, in the order of flags, logs and the graph. */
export const REWARDS = [HPS, CLIP_SCORE, PICK_SCORE, IMAGE_REWARD, AESTHETIC] as const satisfies RewardDefinition[];

/** The name of a reward. */
export type RewardName = (typeof REWARDS)[number]['name'];

/** The weight of each reward that is used. */
export type RewardWeights = Readonly<Partial<Record<RewardName, number>>>;

/** The names of all rewards, in the order of flags and logs. */
export const REWARD_NAMES: readonly RewardName[] = REWARDS.map(({ name }) => name);

/** @throws Error, one sentence with the known names, when there is no reward of this name */
export function rewardNamed(name: string): RewardDefinition<RewardName> {
  const found = REWARDS.find((reward) => reward.name === name);
  if (!found) {
    throw new Error(`there is no reward ${name}; known rewards: ${REWARD_NAMES.join(', ')}`);
  }
  return found;
}

/** Whether a model folder has something to open in the reward's folder. */
export async function hasReward(model: ModelFiles, name: RewardName): Promise<boolean> {
  for (const file of ['config.json', ...rewardNamed(name).signs]) {
    if (await model.has(`${name}/${file}`)) {
      return true;
    }
  }
  return false;
}

/** Opens one reward. @param batch the number of prompts, one for each picture @throws Error, one sentence: an unknown name, or as `RewardDefinition.open` */
export async function openReward(
  graph: Graph,
  name: string,
  files: ModelFiles,
  dtype: ComputeDType = 'f32',
  batch = 1,
): Promise<Reward> {
  return rewardNamed(name).open(graph, files, dtype, batch);
}

/**
 * Opens rewards that will see the same pictures. Rewards with equal image encoders run them as one batch.
 * @param folder the files of a reward. @throws Error as `openReward`
 */
export async function openRewards(
  graph: Graph,
  names: readonly RewardName[],
  folder: (name: RewardName) => ModelFiles,
  dtype: ComputeDType = 'f32',
  batch = 1,
): Promise<Reward[]> {
  const rewards: Reward[] = [];
  for (const name of names) {
    rewards.push(await openReward(graph, name, folder(name), dtype, batch));
  }
  shareCosines(
    rewards.filter((reward) => reward instanceof ClipReward),
    dtype,
  );
  return rewards;
}
