/** CLIPScore: how well a CLIP finds that picture and prompt agree; loss 100 − e^s·cosine. (Hessel et al., 2104.08718.) */
import { affine } from '../../kernels/index.ts';
import type { ModelFiles } from '../../models/files.ts';
import type { WeightStore } from '../../models/weights.ts';
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { ClipSimilarity } from './clip_reward.ts';
import type { PromptValues, Reward } from './reward.ts';

export class CLIPScoreReward implements Reward {
  readonly name = 'CLIP';
  readonly offset = 100;
  readonly weights: readonly WeightStore[];
  readonly #clip: ClipSimilarity;

  constructor(clip: ClipSimilarity) {
    this.weights = [clip.weights];
    this.#clip = clip;
  }

  /** files: a CLIPModel folder as transformers saves it, with its tokenizer. @throws Error naming the broken file. */
  static async open(graph: Graph, files: ModelFiles): Promise<CLIPScoreReward> {
    return new CLIPScoreReward(await ClipSimilarity.open(graph, 'clip_score', files));
  }

  score(image: Tensor): Tensor {
    return this.#clip.logit(image);
  }

  loss(image: Tensor): Tensor {
    return affine(this.score(image), -1, this.offset);
  }

  promptValues(prompt: string): PromptValues {
    return this.#clip.promptValues(prompt);
  }
}
