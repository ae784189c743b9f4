/** LAION's aesthetic predictor: a linear head on CLIP's normalised image features; loss 10 − score; it reads no prompt. */
import { affine, l2Normalize } from '../../kernels/index.ts';
import type { ModelFiles } from '../../models/checkpoint/files.ts';
import { readConfig } from '../../models/checkpoint/read_config.ts';
import { type CLIPConfig, clipConfig } from '../../models/clip/clip.ts';
import { CLIPVisionModelWithProjection } from '../../models/clip/clip_vision.ts';
import { type ComputeDType, storedAs, weightStorage } from '../../models/layers/half_precision.ts';
import { RewardMLP } from '../../models/layers/reward_mlp.ts';
import type { PromptValues } from '../../models/tokenizers/tokenizers.ts';
import type { WeightStore } from '../../models/weights/weight_store.ts';
import { openWeights } from '../../models/weights/weight_store.ts';
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { preprocess } from './preprocess.ts';
import type { Reward, RewardDefinition } from './reward.ts';

/** The head's file in github.com/christophschuhmann/improved-aesthetic-predictor. */
const HEAD = 'sac+logos+ava1-l14-linearMSE.pth';

/** Tensors of CLIP's text side, which are in the file and are not used. */
const TEXT = [/^text_model\./, /^text_projection\./, /^logit_scale$/];

export const AESTHETIC: RewardDefinition<'aesthetic'> = {
  name: 'aesthetic',
  label: 'Aesthetic',
  defaultWeight: 0,
  signs: [],
  open: (graph, files, dtype) => AestheticReward.open(graph, files, dtype),
};

class AestheticReward implements Reward {
  readonly name = AESTHETIC.label;
  readonly offset = 10;
  readonly weights: readonly WeightStore[];
  readonly #dtype: ComputeDType;
  readonly #images: CLIPVisionModelWithProjection;
  readonly #mlp: RewardMLP;

  /** @param clip keys `vision_model.*` and `visual_projection`. @param head keys `layers.{0,2,4,6,7}`. */
  constructor(clip: WeightStore, head: WeightStore, config: CLIPConfig, dtype: ComputeDType = 'f32') {
    this.#dtype = dtype;
    const { vision_config: vision, projection_dim: size } = config;
    this.weights = [clip, head];
    this.#images = new CLIPVisionModelWithProjection(clip, vision, size);
    this.#mlp = new RewardMLP(head, size);
  }

  /** files: a CLIPModel folder with the head beside it, as aesthetic.safetensors or as it is published. @throws Error naming the broken file. */
  static async open(graph: Graph, files: ModelFiles, dtype: ComputeDType = 'f32'): Promise<AestheticReward> {
    const storage = weightStorage(dtype);
    const config = clipConfig(await readConfig(files));
    const clip = await openWeights(graph, files, 'model', { name: 'aesthetic', ignore: TEXT, storage });
    const head = await openWeights(graph, files, 'aesthetic', { name: 'aesthetic_head', published: [HEAD] });
    const reward = new AestheticReward(clip, head, config, dtype);
    clip.assertAllUsed();
    head.assertAllUsed();
    return reward;
  }

  score(image: Tensor): Tensor {
    return image.graph.scope('aesthetic', () => {
      const pixels = preprocess(image, this.#images.vision_model.config.image_size);
      const features = storedAs(this.#dtype, pixels, (p) => this.#images.forward(p));
      return this.#mlp.forward(l2Normalize(features));
    });
  }

  loss(image: Tensor): Tensor {
    return affine(this.score(image), -1, this.offset);
  }

  promptValues(): PromptValues {
    return new Map();
  }
}
