/** An image and a text tower with one feature space. Source: transformers/models/clip/modeling_clip.py: CLIPModel. */
import type { Tensor } from '../../tensor/tensor.ts';
import { type Config, inertKeys } from '../checkpoint/config.ts';
import { assertTransformers, TRANSFORMERS_KEYS } from '../checkpoint/library_keys.ts';
import { shown } from '../checkpoint/messages.ts';
import { Linear } from '../layers/basic.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { type CLIPTextConfig, CLIPTextModel, clipTextConfig } from './clip_text.ts';
import { type CLIPVisionConfig, CLIPVisionModelWithProjection, clipVisionConfig } from './clip_vision.ts';

export interface CLIPConfig {
  readonly text_config: CLIPTextConfig;
  readonly vision_config: CLIPVisionConfig;
  readonly projection_dim: number;
}

/** The initial value of `logit_scale`: the weights have its trained value. */
const INERT = inertKeys([...TRANSFORMERS_KEYS], ['logit_scale_init_value']);

/** The keys of a tower that change its result. */
const TOWER_KEYS = [
  'vocab_size',
  'hidden_size',
  'intermediate_size',
  'num_hidden_layers',
  'num_attention_heads',
  'max_position_embeddings',
  'num_channels',
  'image_size',
  'patch_size',
  'hidden_act',
  'layer_norm_eps',
  'eos_token_id',
];

/** Reads config.json of a CLIPModel. @throws Error when a section is missing or a value cannot be used */
export function clipConfig(config: Config): CLIPConfig {
  assertTransformers(config, ['clip']);
  const read: CLIPConfig = {
    text_config: clipTextConfig(towerSection(config, 'text_config')),
    vision_config: clipVisionConfig(towerSection(config, 'vision_config')),
    projection_dim: config.count('projection_dim', 512),
  };
  config.assertAllKnown(INERT);
  return read;
}

/**
 * Returns the section of a tower. Files before transformers 4.27 may have `text_config_dict` too: transformers then lets it
 * replace the whole section, with the defaults for keys that it lacks.
 */
function towerSection(config: Config, key: 'text_config' | 'vision_config'): Config {
  const older = `${key}_dict`;
  if (!config.has(older)) {
    return config.section(key);
  }
  const replacing = config.section(older);
  const section = config.has(key) ? config.section(key) : replacing;
  for (const name of TOWER_KEYS.filter((one) => section.has(one))) {
    const [before, after] = [
      shown(section.value(name)),
      replacing.has(name) ? shown(replacing.value(name)) : 'the default',
    ];
    if (before !== after) {
      config.warn(`${older} replaces ${key}, as in transformers: ${name} is ${after} instead of ${before}`);
    }
  }
  return replacing;
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
