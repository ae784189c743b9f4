/**
 * ImageReward's network in its own layout: BLIP's image encoder, BLIP's text encoder with cross-attention to the
 * image, and a linear "MLP" on the [CLS] token. Source: zai-org/ImageReward, ImageReward.py.
 */
import { affine } from '../kernels/index.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type BlipVisionConfig, BlipVisionTransformer, blipVisionConfig } from './blip_vision.ts';
import type { Config } from './config.ts';
import { type ComputeDType, storedAs } from './half_precision.ts';
import { MedBertModel, type MedConfig, medConfig } from './med_bert.ts';
import { RewardMLP } from './reward_mlp.ts';
import type { WeightStore } from './weights.ts';

export interface ImageRewardConfig {
  readonly vision: BlipVisionConfig;
  readonly med_config: MedConfig;
  /** Score = (MLP − mean) / std. */
  readonly mean: number;
  readonly std: number;
}

/** config.json of this project's ImageReward folders; what is absent is as in the public ImageReward-v1.0. */
export function imageRewardConfig(config: Config): ImageRewardConfig {
  return {
    vision: blipVisionConfig(config.section('vision')),
    med_config: medConfig(config.section('med_config')),
    mean: config.number('mean', 0.16717362830052426),
    std: config.number('std', 1.0333394966054072),
  };
}

/** The whole network under ImageReward's keys `blip.visual_encoder`, `blip.text_encoder`, `mlp`. */
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
    const image = graph.scope('visual_encoder', () => {
      return storedAs(dtype, pixels, (p) => this.visual_encoder.forward(p));
    });
    const text = graph.scope('text_encoder', () => this.text_encoder.firstHiddenState(ids, mask, image));
    const { mean, std } = this.config;
    return graph.scope('mlp', () => affine(this.mlp.forward(text), 1 / std, -mean / std));
  }
}
