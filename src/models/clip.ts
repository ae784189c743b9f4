/** transformers' `CLIPVisionModel` and `CLIPModel`: an image and a text tower that meet in one feature space. */
import { broadcastTo, cast, concat, conv2d, reshape } from '../kernels/index.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { at } from '../tensor/types.ts';
import { ACTIVATIONS, addPositions, CLIPEncoder, type CLIPEncoderConfig, firstToken } from './clip_encoder.ts';
import { type CLIPTextConfig, CLIPTextModel, clipTextConfig } from './clip_text.ts';
import type { Config } from './config.ts';
import { LayerNorm, Linear } from './layers.ts';
import type { WeightStore } from './weights.ts';

export interface CLIPVisionConfig extends CLIPEncoderConfig {
  readonly image_size: number;
  readonly patch_size: number;
  readonly num_channels: number;
}

export interface CLIPConfig {
  readonly text_config: CLIPTextConfig;
  readonly vision_config: CLIPVisionConfig;
  readonly projection_dim: number;
}

/** `vision_config` of a CLIPModel; what is absent has transformers' default. */
export function clipVisionConfig(config: Config): CLIPVisionConfig {
  return {
    hidden_size: config.count('hidden_size', 768),
    intermediate_size: config.count('intermediate_size', 3072),
    num_hidden_layers: config.count('num_hidden_layers', 12),
    num_attention_heads: config.count('num_attention_heads', 12),
    num_channels: config.count('num_channels', 3),
    image_size: config.count('image_size', 224),
    patch_size: config.count('patch_size', 32),
    hidden_act: config.oneOf('hidden_act', ACTIVATIONS, 'quick_gelu'),
    layer_norm_eps: config.number('layer_norm_eps', 1e-5),
  };
}

/** config.json of a CLIPModel. @throws Error when a section is missing or a value cannot be used. */
export function clipConfig(config: Config): CLIPConfig {
  return {
    text_config: clipTextConfig(config.section('text_config')),
    vision_config: clipVisionConfig(config.section('vision_config')),
    projection_dim: config.count('projection_dim', 512),
  };
}

export class CLIPVisionModel {
  readonly config: CLIPVisionConfig;
  readonly class_embedding: Tensor;
  readonly patch_embedding: Tensor;
  readonly position_embedding: Tensor;
  readonly pre_layrnorm: LayerNorm;
  readonly encoder: CLIPEncoder;
  readonly post_layernorm: LayerNorm;

  /** Reads the fields of `vision_model` (the misspelt `pre_layrnorm` is what checkpoints have). */
  constructor(w: WeightStore, config: CLIPVisionConfig) {
    const root = w.has('vision_model.pre_layrnorm.weight') ? w.sub('vision_model') : w;
    const { hidden_size: size, patch_size: patch, layer_norm_eps: eps } = config;
    const positions = Math.floor(config.image_size / patch) ** 2 + 1;
    this.config = config;
    this.class_embedding = root.get('embeddings.class_embedding', [size]);
    this.patch_embedding = root.get('embeddings.patch_embedding.weight', [size, config.num_channels, patch, patch]);
    this.position_embedding = root.get('embeddings.position_embedding.weight', [positions, size]);
    this.pre_layrnorm = new LayerNorm(root.sub('pre_layrnorm'), size, eps);
    this.encoder = new CLIPEncoder(root.sub('encoder'), config);
    this.post_layernorm = new LayerNorm(root.sub('post_layernorm'), size, eps);
  }

  /** pixelValues: normalised images [N,H,W,3] of the configured size → tokens [N,1+patches,C], class token first. */
  #embed(pixelValues: Tensor): Tensor {
    const { image_size: size, patch_size: patch } = this.config;
    if (pixelValues.dim(1) !== size || pixelValues.dim(2) !== size) {
      throw new Error(
        `the model takes ${size}×${size} pixels, the image has ${pixelValues.dim(2)}×${pixelValues.dim(1)}`,
      );
    }
    const patches = conv2d(pixelValues, this.patch_embedding, null, { stride: patch });
    return this.pre_layrnorm.forward(
      addPositions(withClassToken(patches, this.class_embedding), this.position_embedding),
    );
  }

  /** `last_hidden_state` [N,T,C] (no norm after the last layer) and `pooler_output` [N,C]. */
  forward(pixelValues: Tensor): { lastHiddenState: Tensor; pooled: Tensor } {
    const states = this.encoder.forward(this.#embed(pixelValues), false);
    const lastHiddenState = at(states, states.length - 1);
    return { lastHiddenState, pooled: this.#pool(firstToken(lastHiddenState)) };
  }

  /** `pooler_output` [N,C] alone: the same value for less work, as the last layer only makes the class token. */
  pooled(pixelValues: Tensor): Tensor {
    return this.#pool(this.encoder.forwardFirst(this.#embed(pixelValues)));
  }

  #pool(first: Tensor): Tensor {
    return reshape(this.post_layernorm.forward(first), [first.dim(0), first.dim(2)]);
  }
}

/** Puts the class token (C values) in front of the patches [N,h,w,C] → [N,1+h·w,C]. */
export function withClassToken(patches: Tensor, token: Tensor): Tensor {
  const [n, size] = [patches.dim(0), patches.dim(3)];
  const cls = broadcastTo(reshape(cast(token, patches.dtype), [1, 1, size]), [n, 1, size]);
  return concat([cls, reshape(patches, [n, -1, size])], 1);
}

export class CLIPModel {
  readonly config: CLIPConfig;
  readonly text_model: CLIPTextModel;
  readonly vision_model: CLIPVisionModel;
  /** Scalar; similarities are cosines times exp of it. */
  readonly logit_scale: Tensor;
  readonly text_projection: Linear;
  readonly visual_projection: Linear;

  constructor(w: WeightStore, config: CLIPConfig) {
    this.config = config;
    this.text_model = new CLIPTextModel(w.sub('text_model'), config.text_config);
    this.vision_model = new CLIPVisionModel(w.sub('vision_model'), config.vision_config);
    this.text_projection = new Linear(
      w.sub('text_projection'),
      config.text_config.hidden_size,
      config.projection_dim,
      false,
    );
    this.visual_projection = new Linear(
      w.sub('visual_projection'),
      config.vision_config.hidden_size,
      config.projection_dim,
      false,
    );
    this.logit_scale = w.get('logit_scale', []);
  }

  /** ids i32 [B,T], eosMask f32 [B,T] (see `eosMaskOf`) → text features [B,P], not normalised. */
  getTextFeatures(ids: Tensor, eosMask: Tensor): Tensor {
    return ids.graph.scope('text_model', () =>
      this.text_projection.forward(this.text_model.forward(ids).pooled(eosMask)),
    );
  }

  /** Normalised pixels [N,H,W,3] → image features [N,P], not normalised. */
  getImageFeatures(pixelValues: Tensor): Tensor {
    return pixelValues.graph.scope('vision_model', () =>
      this.visual_projection.forward(this.vision_model.pooled(pixelValues)),
    );
  }
}
