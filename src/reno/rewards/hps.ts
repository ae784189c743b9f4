/** HPSv2: a CLIP fine-tuned on human preferences; loss 1 − cosine, without the logit scale. (Wu et al., 2306.09341.) */
import { affine } from '../../kernels/index.ts';
import type { ModelFiles } from '../../models/files.ts';
import type { WeightStore } from '../../models/weights.ts';
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { ClipSimilarity } from './clip_reward.ts';
import type { PromptValues, Reward } from './reward.ts';

export class HPSReward implements Reward {
  readonly name = 'HPS';
  readonly offset = 1;
  readonly weights: readonly WeightStore[];
  readonly #clip: ClipSimilarity;

  constructor(clip: ClipSimilarity) {
    this.weights = [clip.weights];
    this.#clip = clip;
  }

  /** files: a CLIPModel folder as transformers saves it, with its tokenizer. @throws Error naming the broken file. */
  static async open(graph: Graph, files: ModelFiles): Promise<HPSReward> {
    return new HPSReward(await ClipSimilarity.open(graph, 'hps', files));
  }

  score(image: Tensor): Tensor {
    return this.#clip.cosine(image);
  }

  loss(image: Tensor): Tensor {
    return affine(this.score(image), -1, this.offset);
  }

  promptValues(prompt: string): PromptValues {
    return this.#clip.promptValues(prompt);
  }
}
