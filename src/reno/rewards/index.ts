/** The rewards by name. */
import type { ModelFiles } from '../../models/checkpoint/files.ts';
import type { ComputeDType } from '../../models/layers/half_precision.ts';
import type { Graph } from '../../tensor/graph.ts';
import { AestheticReward } from './aesthetic.ts';
import { shareCosines } from './clip_cosines.ts';
import { CLIP_SCORE, ClipReward, type ClipRewardKind, HPS, OPEN_CLIP_CONFIG, PICK_SCORE } from './clip_reward.ts';
import { ImageRewardReward } from './image_reward.ts';
import type { Reward } from './reward.ts';

export type { Reward } from './reward.ts';

type Open = (graph: Graph, files: ModelFiles, dtype: ComputeDType) => Promise<Reward>;

const clip =
  (kind: ClipRewardKind): Open =>
  (graph, files, dtype) =>
    ClipReward.open(graph, kind, files, dtype);

const REWARDS = {
  hps: clip(HPS),
  clip: clip(CLIP_SCORE),
  pick_score: clip(PICK_SCORE),
  image_reward: (...from) => ImageRewardReward.open(...from),
  aesthetic: (...from) => AestheticReward.open(...from),
} as const satisfies Record<string, Open>;

export type RewardName = keyof typeof REWARDS;

/** Also the folder names under weights/pocket. */
export const REWARD_NAMES = Object.keys(REWARDS) as RewardName[];

/** @throws Error, one sentence listing the known rewards, when `name` is none of them. */
export function rewardName(name: string): RewardName {
  const found = REWARD_NAMES.find((known) => known === name);
  if (!found) {
    throw new Error(`there is no reward ${name}; known rewards: ${REWARD_NAMES.join(', ')}`);
  }
  return found;
}

/** Of which files one at least is in a reward's folder. */
const SIGNS: Readonly<Record<RewardName, readonly string[]>> = {
  hps: [OPEN_CLIP_CONFIG, ...HPS.published],
  clip: [OPEN_CLIP_CONFIG],
  pick_score: [OPEN_CLIP_CONFIG],
  image_reward: ['med_config.json'],
  aesthetic: [],
};

/** Whether a model folder has something to open in the reward's folder. */
export async function hasReward(model: ModelFiles, name: RewardName): Promise<boolean> {
  for (const file of ['config.json', ...SIGNS[name]]) {
    if (await model.has(`${name}/${file}`)) {
      return true;
    }
  }
  return false;
}

/** The reference's weight of a reward, for when the user gives none. */
export const DEFAULT_WEIGHTS: Readonly<Record<RewardName, number>> = {
  hps: 5,
  clip: 0.01,
  pick_score: 0.05,
  image_reward: 1,
  aesthetic: 0,
};

/**
 * Opens a reward's folder and declares its weights and prompt inputs in `graph`.
 * @param dtype of the image encoder's activations
 * @throws Error, one sentence: an unknown name, or the file that is missing, broken or does not fit.
 */
export function openReward(
  graph: Graph,
  name: string,
  files: ModelFiles,
  dtype: ComputeDType = 'f32',
): Promise<Reward> {
  return REWARDS[rewardName(name)](graph, files, dtype);
}

/**
 * Opens rewards that will see the same pictures: as `openReward` each, and what they can do together they do once.
 * @param folder the files of a reward
 */
export async function openRewards(
  graph: Graph,
  names: readonly RewardName[],
  folder: (name: RewardName) => ModelFiles,
  dtype: ComputeDType = 'f32',
): Promise<Reward[]> {
  const rewards: Reward[] = [];
  for (const name of names) {
    rewards.push(await openReward(graph, name, folder(name), dtype));
  }
  shareCosines(
    rewards.filter((reward) => reward instanceof ClipReward),
    dtype,
  );
  return rewards;
}
