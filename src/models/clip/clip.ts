/** An image and a text tower with one feature space. Source: transformers/models/clip/modeling_clip.py: CLIPModel. */
import type { Tensor } from '../../tensor/tensor.ts';
import type { Config } from '../checkpoint/config.ts';
import { Linear } from '../layers/basic.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { type CLIPTextConfig, CLIPTextModel, clipTextConfig } from './clip_text.ts';
import { type CLIPVisionConfig, CLIPVisionModelWithProjection, clipVisionConfig } from './clip_vision.ts';

export interface CLIPConfig {
  readonly text_config: CLIPTextConfig;
  readonly vision_config: CLIPVisionConfig;
  readonly projection_dim: number;
}

/** Reads config.json of a CLIPModel. @throws Error when a section is missing or a value cannot be used */
export function clipConfig(config: Config): CLIPConfig {
  return {
    text_config: clipTextConfig(config.section('text_config')),
    vision_config: clipVisionConfig(config.section('vision_config')),
    projection_dim: config.count('projection_dim', 512),
  };
}

export class CLIPModel {
  readonly config: CLIPConfig;
  readonly text_model: CLIPTextModel;
  readonly image_encoder: CLIPVisionModelWithProjection;
  /** Scalar: a similarity is exp(logit_scale) times the cosine. */
  readonly logit_scale: Tensor;
  readonly text_projection: Linear;

  constructor(w: WeightStore, config: CLIPConfig) {
    this.config = config;
    this.text_model = new CLIPTextModel(w.sub('text_model'), config.text_config);
    this.text_projection = new Linear(
      w.sub('text_projection'),
      config.text_config.hidden_size,
      config.projection_dim,
      false,
    );
    this.image_encoder = new CLIPVisionModelWithProjection(w, config.vision_config, config.projection_dim);
    this.logit_scale = w.get('logit_scale', []);
  }

  /** ids i32 [B,T], eosMask f32 [B,T] (see `eosMaskOf`) → text features [B,P], not normalised */
  getTextFeatures(ids: Tensor, eosMask: Tensor): Tensor {
    return ids.graph.scope('text_model', () =>
      this.text_projection.forward(this.text_model.forward(ids).pooled(eosMask)),
    );
  }

  /** Normalised pixels [N,H,W,3] → image features [N,P], not normalised */
  getImageFeatures(pixelValues: Tensor): Tensor {
    return this.image_encoder.forward(pixelValues);
  }
}
