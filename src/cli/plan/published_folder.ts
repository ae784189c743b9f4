/** Model folders as the public repositories lay them out: their settings, and which network is in which file. */
import type { RewardName } from '../../reno/rewards/index.ts';
import { networkTable } from './networks.ts';

export interface PublishedWeights {
  /** In the model folder; of shards, the name of their index without `.index.json`. */
  readonly path: string;
  readonly network: string;
  readonly dtype: 'F16' | 'F32';
  /** `shards`: several safetensors files with an index; `torch`: what torch.save writes. */
  readonly format: 'safetensors' | 'shards' | 'torch';
  /** Of `torch`: the key that the state dict is under. */
  readonly under?: string;
}

/** `clip0`: CLIP's, padding with "!" (id 0), as SD 2.1, SD-Turbo and SDXL's second encoder do. */
export type TokenizerKind = 'clip' | 'clip0' | 'bert' | 't5';

/** A model folder, or a part of one. All paths are the model folder's. */
export interface PublishedFolder {
  readonly json: Readonly<Record<string, unknown>>;
  readonly weights: readonly PublishedWeights[];
  readonly tokenizers: Readonly<Record<string, TokenizerKind>>;
}

type Values = Readonly<Record<string, unknown>>;

export function joined(parts: readonly PublishedFolder[]): PublishedFolder {
  return {
    json: Object.assign({}, ...parts.map(({ json }) => json)),
    weights: parts.flatMap(({ weights }) => weights),
    tokenizers: Object.assign({}, ...parts.map(({ tokenizers }) => tokenizers)),
  };
}

/** A network with its config.json in a folder of its own; `more` is added to what its table says. */
function network(
  folder: string,
  name: string,
  file: string,
  more: Values = {},
  dtype: 'F16' | 'F32' = 'F16',
): PublishedFolder {
  const { _class_name, ...config } = networkTable(name).config;
  const named = /^(CLIP|T5)/.test(String(_class_name)) ? { architectures: [_class_name] } : { _class_name };
  const format = file.endsWith('.index') ? 'shards' : 'safetensors';
  return {
    json: { [`${folder}/config.json`]: { ...named, ...config, ...more } },
    weights: [{ path: `${folder}/${file.replace(/\.index$/, '')}`, network: name, dtype, format }],
    tokenizers: {},
  };
}

const json = (values: Values): PublishedFolder => ({ json: values, weights: [], tokenizers: {} });
const tokenizers = (values: PublishedFolder['tokenizers']): PublishedFolder => {
  return { json: {}, weights: [], tokenizers: values };
};

const FP16 = 'diffusion_pytorch_model.fp16.safetensors';
const FULL = 'diffusion_pytorch_model.safetensors';
const CLIP_TEXT = { model_type: 'clip_text_model' };

/** The parts of a pipeline by class, as model_index.json lists them. */
function modelIndex(pipeline: string, parts: Readonly<Record<string, string>>, more: Values = {}): PublishedFolder {
  const library = (name: string): string => (/^(CLIP|T5)/.test(name) ? 'transformers' : 'diffusers');
  const listed = Object.entries(parts).map(([part, name]) => [part, [library(name), name]]);
  return json({ 'generator/model_index.json': { _class_name: pipeline, ...Object.fromEntries(listed), ...more } });
}

const scheduler = (values: Values): PublishedFolder => json({ 'generator/scheduler/scheduler_config.json': values });

const TURBO = {
  num_train_timesteps: 1000,
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: 'scaled_linear',
  timestep_spacing: 'trailing',
  prediction_type: 'epsilon',
  steps_offset: 1,
};

function sdTurbo(): PublishedFolder {
  return joined([
    modelIndex(
      'StableDiffusionPipeline',
      {
        text_encoder: 'CLIPTextModel',
        tokenizer: 'CLIPTokenizer',
        unet: 'UNet2DConditionModel',
        vae: 'AutoencoderKL',
        scheduler: 'EulerDiscreteScheduler',
      },
      { safety_checker: [null, null], feature_extractor: [null, null] },
    ),
    scheduler({ _class_name: 'EulerDiscreteScheduler', ...TURBO }),
    tokenizers({ 'generator/tokenizer': 'clip0' }),
    network('generator/text_encoder', 'sd_turbo_text_encoder', 'model.fp16.safetensors', CLIP_TEXT),
    network('generator/unet', 'sd_turbo_unet', FP16),
    network('generator/vae', 'sd_vae', FP16),
  ]);
}

/** SDXL with one or the other UNet and decoder. */
function sdxl(
  schedulerConfig: { readonly _class_name: string },
  unet: PublishedFolder,
  vae: PublishedFolder,
): PublishedFolder {
  return joined([
    modelIndex(
      'StableDiffusionXLPipeline',
      {
        text_encoder: 'CLIPTextModel',
        text_encoder_2: 'CLIPTextModelWithProjection',
        tokenizer: 'CLIPTokenizer',
        tokenizer_2: 'CLIPTokenizer',
        unet: 'UNet2DConditionModel',
        vae: 'AutoencoderKL',
        scheduler: schedulerConfig._class_name,
      },
      { force_zeros_for_empty_prompt: true },
    ),
    scheduler(schedulerConfig),
    tokenizers({ 'generator/tokenizer': 'clip', 'generator/tokenizer_2': 'clip0' }),
    network('generator/text_encoder', 'sdxl_text_encoder', 'model.fp16.safetensors', CLIP_TEXT),
    network('generator/text_encoder_2', 'sdxl_text_encoder_2', 'model.fp16.safetensors', CLIP_TEXT),
    unet,
    vae,
  ]);
}

/** With sdxl-vae-fp16-fix, as the reference runs it: its config.json says that it stays within f16. */
const sdxlTurbo = (): PublishedFolder =>
  sdxl(
    { _class_name: 'EulerAncestralDiscreteScheduler', ...TURBO },
    network('generator/unet', 'sdxl_unet', FP16),
    network('generator/vae', 'sdxl_vae', FP16, { force_upcast: false }),
  );

/** SDXL's own decoder, which needs f32. */
const hyperSdxl = (): PublishedFolder =>
  sdxl(
    { _class_name: 'LCMScheduler', ...TURBO },
    network('generator/unet', 'sdxl_unet', FULL, { sample_size: 128 }, 'F32'),
    network('generator/vae', 'sdxl_vae', FULL, {}, 'F32'),
  );

function pixart(): PublishedFolder {
  return joined([
    modelIndex('PixArtAlphaPipeline', {
      text_encoder: 'T5EncoderModel',
      tokenizer: 'T5Tokenizer',
      transformer: 'PixArtTransformer2DModel',
      vae: 'AutoencoderKL',
      scheduler: 'DDPMScheduler',
    }),
    scheduler({
      _class_name: 'DDPMScheduler',
      num_train_timesteps: 1000,
      beta_start: 0.0001,
      beta_end: 0.02,
      beta_schedule: 'linear',
      clip_sample: false,
      prediction_type: 'epsilon',
    }),
    tokenizers({ 'generator/tokenizer': 't5' }),
    network('generator/text_encoder', 't5_xxl_encoder', 'model.safetensors.index', { model_type: 't5' }),
    network('generator/transformer', 'pixart_transformer', FP16),
    network('generator/vae', 'sd_vae', FP16),
  ]);
}

function fluxSchnell(): PublishedFolder {
  return joined([
    modelIndex('FluxPipeline', {
      text_encoder: 'CLIPTextModel',
      text_encoder_2: 'T5EncoderModel',
      tokenizer: 'CLIPTokenizer',
      tokenizer_2: 'T5TokenizerFast',
      transformer: 'FluxTransformer2DModel',
      vae: 'AutoencoderKL',
      scheduler: 'FlowMatchEulerDiscreteScheduler',
    }),
    scheduler({
      _class_name: 'FlowMatchEulerDiscreteScheduler',
      num_train_timesteps: 1000,
      shift: 1,
      use_dynamic_shifting: false,
    }),
    tokenizers({ 'generator/tokenizer': 'clip', 'generator/tokenizer_2': 't5' }),
    network('generator/text_encoder', 'sdxl_text_encoder', 'model.safetensors', CLIP_TEXT),
    network('generator/text_encoder_2', 't5_xxl_encoder', 'model.safetensors.index', { model_type: 't5' }),
    network('generator/transformer', 'flux_schnell_transformer', `${FULL}.index`),
    network('generator/vae', 'flux_vae', FULL),
  ]);
}

/** By name, as in weights/manifest.json. */
const GENERATORS = {
  'sd-turbo': sdTurbo,
  'sdxl-turbo': sdxlTurbo,
  'hyper-sdxl': hyperSdxl,
  'pixart-dmd': pixart,
  'flux-schnell': fluxSchnell,
} as const satisfies Record<string, () => PublishedFolder>;

export type PublishedName = keyof typeof GENERATORS;
export const PUBLISHED_NAMES = Object.keys(GENERATORS) as PublishedName[];

/** `pixart` is short for pixart-dmd. */
export function findPublished(model: string): PublishedName | undefined {
  return PUBLISHED_NAMES.find((name) => name === model || (name === 'pixart-dmd' && model === 'pixart'));
}

const clip = (folder: string, table: string): PublishedFolder =>
  joined([network(folder, table, 'model.safetensors', { model_type: 'clip' }), tokenizers({ [folder]: 'clip' })]);

const torch = (path: string, table: string, dtype: 'F16' | 'F32', under?: string): PublishedFolder => {
  const weights = { path, network: table, dtype, format: 'torch', ...(under ? { under } : {}) } as const;
  return { json: {}, weights: [weights], tokenizers: {} };
};

function hps(): PublishedFolder {
  const { _class_name, ...model_cfg } = networkTable('open_clip_vit_h').config;
  return joined([
    json({ 'hps/open_clip_config.json': { model_cfg } }),
    tokenizers({ hps: 'clip' }),
    torch('hps/HPS_v2.1_compressed.pt', 'open_clip_vit_h', 'F16', 'state_dict'),
  ]);
}

function imageReward(): PublishedFolder {
  const { med_config } = networkTable('image_reward').config;
  return joined([
    // As published: med_config.json says 768, and the code puts the image encoder's width there.
    json({ 'image_reward/med_config.json': { ...Object(med_config), encoder_width: 768 } }),
    tokenizers({ image_reward: 'bert' }),
    torch('image_reward/ImageReward.pt', 'image_reward', 'F32'),
  ]);
}

function aesthetic(): PublishedFolder {
  const head = 'aesthetic/sac+logos+ava1-l14-linearMSE.pth';
  return joined([
    network('aesthetic', 'clip_vit_l', 'model.safetensors', { model_type: 'clip' }),
    torch(head, 'aesthetic_mlp', 'F32'),
  ]);
}

const REWARDS: Readonly<Record<RewardName, () => PublishedFolder>> = {
  hps,
  clip: () => clip('clip', 'clip_vit_h'),
  pick_score: () => clip('pick_score', 'pick_score'),
  image_reward: imageReward,
  aesthetic,
};

export const publishedGenerator = (name: PublishedName): PublishedFolder => GENERATORS[name]();
export const publishedReward = (name: RewardName): PublishedFolder => REWARDS[name]();
