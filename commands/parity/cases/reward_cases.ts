/**
 * The rewards from picture to score and loss gradient, opened from folders as they are published, against the public
 * libraries (python/reference/open_clip_rewards.py and published_rewards.py), which also tokenised the prompt.
 */

import { sum } from '../../../src/kernels/index.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';
import { openReward, type Reward } from '../../../src/reno/rewards/index.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import { gradients } from '../../../src/tensor/vjp.ts';
import { FIXTURES, type Golden, halfShare, openFixture, type ParityCase, type Precision } from '../golden.ts';

export interface RewardGolden extends Golden {
  readonly reward: Reward;
  readonly loss: Tensor;
  readonly expectedLoss: Float32Array;
}

/** @param name the reward. @param folder of parity/rewards. Output: the score; gradient: the loss's at the picture. */
async function rewardGolden(name: string, folder: string, precision: Precision = 'f32'): Promise<RewardGolden> {
  const file = await openFixture(`rewards/${folder}/golden.safetensors`);
  const graph = new Graph();
  const reward = await openReward(graph, name, nodeFiles(`${FIXTURES}/rewards/${folder}`), precision);
  const image = graph.input('image', file.entries.get('image')?.shape ?? [], 'step');
  const [output, loss] = [reward.score(image), reward.loss(image)];
  const [gradient] = gradients(sum(loss), [image]);
  const feeds = new Map<string, ArrayLike<number>>([['image', await readFloats(file, 'image')]]);
  for (const store of reward.weights) {
    for (const [key, values] of await store.values()) {
      feeds.set(key, values);
    }
  }
  for (const [key, values] of reward.promptValues(file.metadata.prompt ?? '')) {
    feeds.set(key, values);
  }
  const versions = file.metadata.versions ?? 'not recorded';
  const expected = { output: await readFloats(file, 'score'), gradient: await readFloats(file, 'gradient') };
  return {
    graph,
    output,
    gradient,
    feeds,
    expected,
    precision,
    half: halfShare(graph),
    versions,
    reward,
    loss,
    expectedLoss: await readFloats(file, 'loss'),
  };
}

export const CASES = {
  'HPSv2.1 as published, HPS_v2.1_compressed.pt, f16, gelu': (precision) => rewardGolden('hps', 'hps', precision),
  "HPS as open_clip's own safetensors, quick_gelu": (precision) => rewardGolden('hps', 'hps_open_clip', precision),
  'CLIPScore, a CLIPModel folder in safetensors': (precision) => rewardGolden('clip', 'clip', precision),
  "PickScore, a CLIPModel folder in PyTorch's format": (precision) =>
    rewardGolden('pick_score', 'pick_score', precision),
  'ImageReward.pt beside med_config.json, as published': (precision) =>
    rewardGolden('image_reward', 'image_reward', precision),
  'LAION aesthetic head beside a CLIPModel folder': (precision) => rewardGolden('aesthetic', 'aesthetic', precision),
} satisfies Readonly<Record<string, ParityCase>>;
