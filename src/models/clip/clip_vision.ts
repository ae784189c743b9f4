/**
 * CLIP's image tower, and the same with its projection.
 * Source: transformers/models/clip/modeling_clip.py: CLIPVisionModel, CLIPVisionTransformer, CLIPVisionModelWithProjection.
 */
import { reshape } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { at } from '../../tensor/types.ts';
import { type Config, EPS_RANGE, inertKeys, MOST_LAYERS } from '../checkpoint/config.ts';
import { assertTransformers, TRANSFORMERS_KEYS } from '../checkpoint/library_keys.ts';
import { ACTIVATIONS, LayerNorm, Linear } from '../layers/basic.ts';
import { patchTokens } from '../layers/patch_tokens.ts';
import { firstToken } from '../layers/tokens.ts';
import type { Weights } from '../weights/weights.ts';
import { assertHeads, CLIPEncoder, type CLIPEncoderConfig } from './clip_encoder.ts';

/** `vision_config` of a CLIPModel. */
export interface CLIPVisionConfig extends CLIPEncoderConfig {
  readonly image_size: number;
  readonly patch_size: number;
  readonly num_channels: number;
}

/** The width of the projection, which a CLIPModel's own config says. */
const INERT = inertKeys([...TRANSFORMERS_KEYS], ['projection_dim']);

/** Reads `vision_config` of a CLIPModel with transformers' defaults. @throws Error naming file and key */
export function clipVisionConfig(config: Config): CLIPVisionConfig {
  assertTransformers(config, ['clip_vision_model']);
  const read: CLIPVisionConfig = {
    hidden_size: config.count('hidden_size', 768),
    intermediate_size: config.count('intermediate_size', 3072),
    num_hidden_layers: config.count('num_hidden_layers', 12, MOST_LAYERS),
    num_attention_heads: config.count('num_attention_heads', 12),
    num_channels: config.count('num_channels', 3),
    image_size: config.count('image_size', 224),
    patch_size: config.count('patch_size', 32),
    hidden_act: config.oneOf('hidden_act', ACTIVATIONS, 'quick_gelu'),
    layer_norm_eps: config.number('layer_norm_eps', 1e-5, EPS_RANGE),
  };
  assertHeads(config, read);
  config.assertAllKnown(INERT);
  return read;
}

/** One network, or R networks at once from `StackedWeights`: their results are [R·N, ...], grouped by network. */
export class CLIPVisionModel {
  readonly config: CLIPVisionConfig;
  readonly class_embedding: Tensor;
  readonly patch_embedding: Tensor;
  readonly position_embedding: Tensor;
  /** @internal */
  readonly pre_layrnorm: LayerNorm;
  /** @internal */
  readonly encoder: CLIPEncoder;
  /** @internal */
  readonly post_layernorm: LayerNorm;

  /** Reads the fields of `vision_model`. Checkpoints spell `pre_layrnorm` like this. */
  constructor(w: Weights, config: CLIPVisionConfig) {
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

  /** Normalised pixels [N,H,W,3] of the configured size → tokens [N,1+patches,C], class token first. */
  #embed(pixelValues: Tensor): Tensor {
    const { image_size: size } = this.config;
    if (pixelValues.dim(1) !== size || pixelValues.dim(2) !== size) {
      throw new Error(
        `the model takes ${size}×${size} pixels, the image has ${pixelValues.dim(2)}×${pixelValues.dim(1)}`,
      );
    }
    const { patch_embedding: weight, class_embedding: classToken, position_embedding: positions } = this;
    return this.pre_layrnorm.forward(patchTokens(pixelValues, { weight, classToken, positions }));
  }

  /** Returns transformers' `last_hidden_state` [N,T,C], without a norm after the last layer, and `pooler_output` [N,C]. */
  forward(pixelValues: Tensor): { lastHiddenState: Tensor; pooled: Tensor } {
    // 1. Patches, positions and first norm. 2. Encoder. 3. The class token after the last norm.
    const states = this.encoder.forward(this.#embed(pixelValues), false);
    const lastHiddenState = at(states, states.length - 1);
    return { lastHiddenState, pooled: this.#pool(firstToken(lastHiddenState)) };
  }

  /** Returns `pooler_output` [N,C] alone. It costs less: the last layer computes only the class token. */
  pooled(pixelValues: Tensor): Tensor {
    return this.#pool(this.encoder.forwardFirst(this.#embed(pixelValues)));
  }

  #pool(first: Tensor): Tensor {
    return reshape(this.post_layernorm.forward(first), [first.dim(0), first.dim(2)]);
  }
}

/** The image half of a CLIPModel, or of R models of one configuration at once. */
export class CLIPVisionModelWithProjection {
  readonly vision_model: CLIPVisionModel;
  readonly visual_projection: Linear;

  constructor(w: Weights, config: CLIPVisionConfig, projectionDim: number) {
    this.vision_model = new CLIPVisionModel(w.sub('vision_model'), config);
    this.visual_projection = new Linear(w.sub('visual_projection'), config.hidden_size, projectionDim, false);
  }

  /** Normalised pixels [N,H,W,3] → image features [N,P], or [R·N,P], not normalised */
  forward(pixelValues: Tensor): Tensor {
    return pixelValues.graph.scope('vision_model', () =>
      this.visual_projection.forward(this.vision_model.pooled(pixelValues)),
    );
  }
}
