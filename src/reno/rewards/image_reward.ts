/** ImageReward: BLIP with a scalar head trained on human rankings; loss 2 − score. (Xu et al., 2304.05977.) */
import { affine } from '../../kernels/index.ts';
import {
  IMAGE_REWARD_UNUSED,
  ImageReward,
  imageRewardConfig,
  publishedImageRewardConfig,
} from '../../models/blip/blip.ts';
import type { ModelFiles } from '../../models/checkpoint/files.ts';
import { readConfig } from '../../models/checkpoint/read_config.ts';
import { type ComputeDType, weightStorage } from '../../models/layers/half_precision.ts';
import type { OnCut, PromptValues, TextTokenizer } from '../../models/tokenizers/tokenizers.ts';
import type { WeightStore } from '../../models/weights/weight_store.ts';
import { openWeights } from '../../models/weights/weight_store.ts';
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { preprocess } from './preprocess.ts';
import type { Reward, RewardDefinition } from './reward.ts';

/** Tokens of a prompt, special ones included: ImageReward's own max_length. */
const MAX_LENGTH = 35;
const IDS = 'image_reward.prompt_ids';
const MASK = 'image_reward.prompt_mask';

/** The checkpoint and its configuration under their published names. */
const PUBLISHED = 'ImageReward.pt';
const PUBLISHED_CONFIG = 'med_config.json';

export const IMAGE_REWARD: RewardDefinition<'image_reward'> = {
  name: 'image_reward',
  label: 'ImageReward',
  defaultWeight: 1,
  signs: [PUBLISHED_CONFIG],
  open: (graph, files, dtype, batch) => ImageRewardReward.open(graph, files, dtype, batch),
};

class ImageRewardReward implements Reward {
  readonly name = IMAGE_REWARD.label;
  readonly offset = 2;
  readonly weights: readonly WeightStore[];
  readonly model: ImageReward;
  readonly #tokenizer: TextTokenizer;
  readonly #dtype: ComputeDType;
  readonly #ids: Tensor;
  readonly #mask: Tensor;

  constructor(
    graph: Graph,
    model: ImageReward,
    weights: WeightStore,
    tokenizer: TextTokenizer,
    dtype: ComputeDType = 'f32',
    batch = 1,
  ) {
    const positions = model.config.med_config.max_position_embeddings;
    const length = Math.min(MAX_LENGTH, positions, tokenizer.maxLength ?? MAX_LENGTH);
    tokenizer.assertFits(model.config.med_config.vocab_size, 'vocab_size of image_reward');
    this.model = model;
    this.weights = [weights];
    this.#tokenizer = tokenizer;
    this.#dtype = dtype;
    this.#ids = graph.input(IDS, [batch, length], 'prompt', 'i32');
    this.#mask = graph.input(MASK, [batch, length], 'prompt');
  }

  /**
   * files: ImageReward.pt with med_config.json, as published, or model.safetensors with config.json ({vision, med_config, mean,
   * std}); and a BERT tokenizer. @throws Error naming the broken file.
   */
  static async open(
    graph: Graph,
    files: ModelFiles,
    dtype: ComputeDType = 'f32',
    batch = 1,
  ): Promise<ImageRewardReward> {
    const published = !(await files.has('config.json')) && (await files.has(PUBLISHED_CONFIG));
    const file = await readConfig(files, published ? PUBLISHED_CONFIG : 'config.json');
    const own = published ? null : imageRewardConfig(file);
    const weights = await openWeights(graph, files, 'model', {
      name: 'image_reward',
      storage: weightStorage(dtype),
      ignore: IMAGE_REWARD_UNUSED,
      published: [PUBLISHED],
    });
    const config = own ?? publishedImageRewardConfig(file, weights);
    const model = new ImageReward(weights, config);
    weights.assertAllUsed();
    const { openTokenizer } = await import('../../models/tokenizers/tokenizers.ts'); // A module of its own in bundles.
    return new ImageRewardReward(graph, model, weights, await openTokenizer(files), dtype, batch);
  }

  score(image: Tensor): Tensor {
    return image.graph.scope('image_reward', () =>
      this.model.forward(preprocess(image, this.model.config.vision.image_size), this.#ids, this.#mask, this.#dtype),
    );
  }

  loss(image: Tensor): Tensor {
    return affine(this.score(image), -1, this.offset);
  }

  promptValues(prompt: string, onCut?: OnCut): PromptValues {
    const { ids, mask } = this.#tokenizer.encode(prompt, this.#ids.dim(1), this.name, onCut);
    return new Map<string, Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>>([
      [IDS, ids],
      [MASK, mask],
    ]);
  }
}
