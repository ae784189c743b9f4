/**
 * ImageReward's network: BLIP's image encoder, BLIP's text encoder with cross-attention to the image, and a linear "MLP"
 * on the [CLS] token. Source: ImageReward/ImageReward.py: ImageReward (github.com/zai-org/ImageReward).
 */
import { affine } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type Config, inertKeys } from '../checkpoint/config.ts';
import { type ComputeDType, storedAs } from '../layers/half_precision.ts';
import { RewardMLP } from '../layers/reward_mlp.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { type BlipVisionConfig, BlipVisionTransformer, blipVisionConfig } from './blip_vision.ts';
import { MedBertModel, type MedConfig, medConfig } from './med_bert.ts';

interface ImageRewardConfig {
  readonly vision: BlipVisionConfig;
  readonly med_config: MedConfig;
  /** Score = (MLP − mean) / std. */
  readonly mean: number;
  readonly std: number;
}

/** Mean and standard deviation of ImageReward-v1.0's scores on its authors' validation set. */
const MEAN = 0.16717362830052426;
const STD = 1.0333394966054072;

/** Reads config.json of this project's ImageReward folders. Absent keys have the values of the public ImageReward-v1.0. */
export function imageRewardConfig(config: Config): ImageRewardConfig {
  const read: ImageRewardConfig = {
    vision: blipVisionConfig(config.section('vision')),
    med_config: medConfig(config.section('med_config')),
    mean: config.number('mean', MEAN),
    std: config.number('std', STD, [1e-6, 1e6]),
  };
  config.assertAllKnown(inertKeys());
  return read;
}

/** Width of one attention head in BLIP's image encoders, ViT-B and ViT-L alike. */
const HEAD_WIDTH = 64;

/**
 * Returns the config of the published folder, which holds ImageReward.pt and BLIP's med_config.json. That file describes the
 * text encoder only, so the image encoder's sizes come from the tensors. The text encoder's `encoder_width` is the image
 * encoder's width whatever the file says, as in BLIP.
 */
export function publishedImageRewardConfig(med: Config, w: WeightStore): ImageRewardConfig {
  const encoder = w.sub('blip', 'visual_encoder');
  const [patch = 0, width = 0] = [encoder.shapeOf('patch_embed.proj.weight')[3], encoder.shapeOf('cls_token')[2]];
  const [, tokens = 0] = encoder.shapeOf('pos_embed');
  let depth = 0;
  while (encoder.hasModule(`blocks.${depth}`)) {
    depth++;
  }
  const vision: BlipVisionConfig = {
    image_size: Math.round(Math.sqrt(tokens - 1)) * patch,
    patch_size: patch,
    width,
    depth,
    heads: width / HEAD_WIDTH,
    mlp: encoder.shapeOf('blocks.0.mlp.fc1.weight')[0] ?? 0,
    layer_norm_eps: 1e-6,
  };
  return { vision, med_config: { ...medConfig(med), encoder_width: width }, mean: MEAN, std: STD };
}

/** Keys of BLIP's projections for its contrastive loss: the published file has them, the reward does not use them. */
export const IMAGE_REWARD_UNUSED: readonly RegExp[] = [/^blip\.(vision|text)_proj\./];

/** The whole network, under the keys `blip.visual_encoder`, `blip.text_encoder` and `mlp`. */
export class ImageReward {
  readonly config: ImageRewardConfig;
  readonly visual_encoder: BlipVisionTransformer;
  readonly text_encoder: MedBertModel;
  readonly mlp: RewardMLP;

  constructor(w: WeightStore, config: ImageRewardConfig) {
    this.config = config;
    this.visual_encoder = new BlipVisionTransformer(w.sub('blip', 'visual_encoder'), config.vision);
    this.text_encoder = new MedBertModel(w.sub('blip', 'text_encoder'), config.med_config);
    this.mlp = new RewardMLP(w.sub('mlp'), config.med_config.hidden_size);
  }

  /** Normalised pixels [N,H,W,3], ids i32 [B,T], mask f32 [B,T] with B 1 or N → score [N]. `dtype` is the image encoder's. */
  forward(pixels: Tensor, ids: Tensor, mask: Tensor, dtype: ComputeDType = 'f32'): Tensor {
    const { graph } = pixels;
    // 1. Image encoder.
    const image = graph.scope('visual_encoder', () => {
      return storedAs(dtype, pixels, (p) => this.visual_encoder.forward(p));
    });
    // 2. Text encoder with cross-attention to the image.
    const text = graph.scope('text_encoder', () => this.text_encoder.firstHiddenState(ids, mask, image));
    // 3. Head, normalised.
    const { mean, std } = this.config;
    return graph.scope('mlp', () => affine(this.mlp.forward(text), 1 / std, -mean / std));
  }
}
