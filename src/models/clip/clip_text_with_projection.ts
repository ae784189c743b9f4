/** The second text encoder of SDXL. Source: transformers/models/clip/modeling_clip.py: CLIPTextModelWithProjection. */
import type { Tensor } from '../../tensor/tensor.ts';
import type { Config } from '../checkpoint/config.ts';
import { Linear } from '../layers/basic.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import {
  type CLIPTextConfig,
  CLIPTextModel,
  type CLIPTextOutput,
  clipTextConfig,
  clipTextSection,
} from './clip_text.ts';

interface CLIPTextWithProjectionConfig extends CLIPTextConfig {
  readonly projection_dim: number;
}

/** Reads config.json with transformers' defaults. */
export function clipTextWithProjectionConfig(config: Config): CLIPTextWithProjectionConfig {
  return { ...clipTextConfig(config), projection_dim: clipTextSection(config).count('projection_dim', 512) };
}

interface CLIPTextWithProjectionOutput extends CLIPTextOutput {
  /** [B,projection_dim] */
  readonly textEmbeds: Tensor;
}

export class CLIPTextModelWithProjection {
  readonly config: CLIPTextWithProjectionConfig;
  readonly text_model: CLIPTextModel;
  readonly text_projection: Linear;

  constructor(w: WeightStore, config: CLIPTextWithProjectionConfig) {
    this.config = config;
    this.text_model = new CLIPTextModel(w.sub('text_model'), config);
    this.text_projection = new Linear(w.sub('text_projection'), config.hidden_size, config.projection_dim, false);
  }

  /** @param ids i32 [B,T] @param eosMask f32 [B,T], 1 at the end-of-text token (`eosMaskOf`) */
  forward(ids: Tensor, eosMask: Tensor): CLIPTextWithProjectionOutput {
    const text = this.text_model.forward(ids);
    return { ...text, textEmbeds: this.text_projection.forward(text.pooled(eosMask)) };
  }
}
