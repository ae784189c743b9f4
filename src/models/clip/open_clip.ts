/**
 * Keys and configuration of open_clip's CLIP (HPSv2 is published in this form), translated to those of transformers' CLIPModel.
 * Source: open_clip/src/open_clip/model.py: CLIP; open_clip/src/open_clip/transformer.py: VisionTransformer, TextTransformer.
 */
import type { AliasTable } from '../checkpoint/aliases.ts';
import { type Config, inertKeys, MOST_LAYERS, type Range } from '../checkpoint/config.ts';
import { shown } from '../checkpoint/messages.ts';
import type { CLIPConfig } from './clip.ts';

/** A layer of either tower, after the tower's own prefix has been translated. */
const LAYER = '^((?:text|vision)_model\\.encoder\\.layers\\.\\d+)';
const layer = (rest: string): RegExp => new RegExp(`${LAYER}\\.${rest}`);

/** open_clip's keys to transformers'. It stores queries, keys and values as one tensor, and its projections transposed. Keys of transformers stay as they are. */
export const OPEN_CLIP_ALIASES: AliasTable = [
  [/^visual\.class_embedding$/, 'vision_model.embeddings.class_embedding'],
  [/^visual\.positional_embedding$/, 'vision_model.embeddings.position_embedding.weight'],
  [/^visual\.conv1\./, 'vision_model.embeddings.patch_embedding.'],
  [/^visual\.ln_pre\./, 'vision_model.pre_layrnorm.'],
  [/^visual\.ln_post\./, 'vision_model.post_layernorm.'],
  [/^visual\.transformer\.resblocks\./, 'vision_model.encoder.layers.'],
  [/^visual\.proj$/, [{ as: 'visual_projection.weight', transposed: true }]],
  [/^token_embedding\./, 'text_model.embeddings.token_embedding.'],
  [/^positional_embedding$/, 'text_model.embeddings.position_embedding.weight'],
  [/^transformer\.resblocks\./, 'text_model.encoder.layers.'],
  [/^ln_final\./, 'text_model.final_layer_norm.'],
  [/^text_projection$/, [{ as: 'text_projection.weight', transposed: true }]],
  [layer('ln_([12])\\.'), '$1.layer_norm$2.'],
  [
    layer('attn\\.in_proj_(weight|bias)$'),
    ['q', 'k', 'v'].map((x, group) => rowsThird(`$1.self_attn.${x}_proj.$2`, group)),
  ],
  [layer('attn\\.out_proj\\.'), '$1.self_attn.out_proj.'],
  [layer('mlp\\.c_fc\\.'), '$1.mlp.fc1.'],
  [layer('mlp\\.c_proj\\.'), '$1.mlp.fc2.'],
];

/** The `group`-th third of a tensor's rows, under another key. */
function rowsThird(as: string, group: number) {
  return { as, rows: { group, of: 3 } };
}

/** Keys of a buffer in older files. */
export const OPEN_CLIP_BUFFERS: readonly RegExp[] = [/(^|\.)attn_mask$/];

/** Settings of a tower's blocks, with the value of a plain CLIP. */
const PLAIN_BLOCKS = {
  ls_init_value: undefined,
  block_type: undefined,
  qk_norm: false,
  scaled_cosine_attn: false,
  scale_heads: false,
  scale_attn_inner: false,
  scale_attn: false,
  scale_fc: false,
  final_ln_after_pool: false,
  act_kwargs: undefined,
  norm_kwargs: undefined,
};

/** Settings that change the network, with the value of a plain CLIP. */
const PLAIN: Readonly<Record<'model_cfg' | 'vision_cfg' | 'text_cfg', Readonly<Record<string, unknown>>>> = {
  model_cfg: { custom_text: false, multimodal_cfg: undefined },
  vision_cfg: {
    ...PLAIN_BLOCKS,
    timm_model_name: undefined,
    attentional_pool: false,
    input_patchnorm: false,
    no_ln_pre: false,
    pool_type: 'tok',
    pos_embed_type: 'learnable',
  },
  text_cfg: {
    ...PLAIN_BLOCKS,
    hf_model_name: undefined,
    embed_cls: false,
    no_causal_mask: false,
    pool_type: 'argmax',
    proj_type: 'linear',
    proj_bias: false,
  },
};

/**
 * Keys without an effect: initial values, dropout in training, how results are returned and stored, the tokenizer's name (its files
 * say what it does), and sizes of parts that `PLAIN` refuses.
 */
const INERT = inertKeys(
  ['init_logit_scale', 'init_logit_bias', 'patch_dropout', 'output_dict', 'output_tokens', 'cast_dtype'],
  ['hf_tokenizer_name', 'tokenizer_kwargs', 'pad_id', 'eos_id'],
  ['attn_pooler_queries', 'attn_pooler_heads', 'timm_model_pretrained', 'timm_pool', 'timm_proj', 'timm_proj_bias'],
  ['timm_drop', 'timm_drop_path', 'hf_model_pretrained', 'hf_proj_type', 'hf_pooler_type'],
);

/** Keys beside `model_cfg`. `assertPreprocessing` looks at the first. */
const PREPROCESSING = inertKeys(['preprocess_cfg', 'description', 'tags', 'license']);

/** OpenAI's mean and standard deviation of pixels, which the rewards use. */
const PIXELS = { mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711] };

/** @throws Error where pictures are prepared in another way than by the rewards here */
function assertPreprocessing(file: Config): void {
  if (!file.has('preprocess_cfg')) {
    return;
  }
  const config = file.section('preprocess_cfg');
  for (const [key, values] of Object.entries(PIXELS)) {
    const given = config.value(key);
    if (given !== undefined && !(Array.isArray(given) && values.every((v, i) => v === given[i]))) {
      config.fail(key, `is ${shown(given)}, but only OpenAI's, ${shown(values)}, is supported`);
    }
  }
  config.allowOnly({ interpolation: ['bicubic'], resize_mode: ['shortest'], mode: ['RGB'] });
  config.assertAllKnown(inertKeys(['size', 'fill_color']));
}

/** The ratio of a block's inner width to its width. */
const MLP_RATIO: Range = [0.01, 64];

/** @throws Error naming the setting that makes the network something else than a CLIPModel */
function assertPlain(config: Config, section: keyof typeof PLAIN): void {
  for (const [key, plain] of Object.entries(PLAIN[section])) {
    const value = config.value(key) ?? plain;
    if (value !== plain) {
      const only = plain === undefined ? 'absent' : JSON.stringify(plain);
      config.fail(key, `is ${shown(value)}; only an open_clip model where it is ${only} can be read`);
    }
  }
}

/**
 * Reads open_clip_config.json, or one of open_clip's own model_configs, which is the `model_cfg` section alone, with
 * open_clip's defaults. @throws Error naming file and key for what is missing, malformed or another network
 */
export function openClipConfig(file: Config): CLIPConfig {
  const config = file.has('model_cfg') ? file.section('model_cfg') : file;
  const vision = config.section('vision_cfg');
  const text = config.section('text_cfg');
  assertPlain(config, 'model_cfg');
  assertPlain(vision, 'vision_cfg');
  assertPlain(text, 'text_cfg');
  const visionWidth = vision.count('width', 768);
  const headWidth = vision.count('head_width', 64);
  if (visionWidth % headWidth !== 0) {
    vision.fail('head_width', `is ${headWidth}, which does not divide the width ${visionWidth}`);
  }
  const textWidth = text.count('width', 512);
  const common = {
    hidden_act: config.boolean('quick_gelu', false) ? 'quick_gelu' : 'gelu',
    layer_norm_eps: 1e-5,
  } as const;
  assertPreprocessing(file);
  const read: CLIPConfig = {
    projection_dim: config.count('embed_dim'),
    vision_config: {
      ...common,
      hidden_size: visionWidth,
      intermediate_size: Math.floor(visionWidth * vision.number('mlp_ratio', 4, MLP_RATIO)),
      num_hidden_layers: vision.count('layers', 12, MOST_LAYERS),
      num_attention_heads: visionWidth / headWidth,
      num_channels: 3,
      image_size: vision.count('image_size', 224),
      patch_size: vision.count('patch_size', 16),
    },
    text_config: {
      ...common,
      vocab_size: text.count('vocab_size', 49408),
      hidden_size: textWidth,
      intermediate_size: Math.floor(textWidth * text.number('mlp_ratio', 4, MLP_RATIO)),
      num_hidden_layers: text.count('layers', 12, MOST_LAYERS),
      num_attention_heads: text.count('heads', 8),
      max_position_embeddings: text.count('context_length', 77),
      // open_clip pools at the highest id; transformers does the same where eos_token_id is 2.
      eos_token_id: 2,
      use_attention_mask: false,
    },
  };
  file.assertAllKnown(PREPROCESSING);
  config.assertAllKnown(INERT);
  vision.assertAllKnown(INERT);
  text.assertAllKnown(INERT);
  return read;
}

/** Configuration of open_clip's ViT-H-14, the network of HPSv2 and HPSv2.1. */
export const VIT_H_14 = {
  embed_dim: 1024,
  vision_cfg: { image_size: 224, layers: 32, width: 1280, head_width: 80, patch_size: 14 },
  text_cfg: { context_length: 77, vocab_size: 49408, width: 1024, heads: 16, layers: 24 },
} as const;
