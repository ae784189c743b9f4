/** Model folders as the public repositories lay them out: which network of the name tables goes into which file. */
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type NameTable, nameTable } from '../../test/support/name_tables.ts';
import type { StoredFloat } from './values.ts';
import { bytesOf, type Filling, type SeededTensor, writeSafetensorsFile, writeTorchFile } from './write_tensors.ts';

const TURBO = {
  num_train_timesteps: 1000,
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: 'scaled_linear',
  timestep_spacing: 'trailing',
  prediction_type: 'epsilon',
  steps_offset: 1,
};

/** Writes into one model folder; `tokenizers` has the public `clip`, `bert` and `t5` tokenizers. */
export class Folder {
  readonly #root: string;
  readonly #tokenizers: string;
  readonly #say: (line: string) => void;
  readonly #filling: Filling;

  constructor(root: string, tokenizers: string, say: (line: string) => void, filling: Filling = 'seeded') {
    this.#root = root;
    this.#tokenizers = tokenizers;
    this.#say = say;
    this.#filling = filling;
  }

  #path(path: string): string {
    const full = join(this.#root, path);
    mkdirSync(dirname(full), { recursive: true });
    return full;
  }

  json(path: string, value: unknown): void {
    writeFileSync(this.#path(path), `${JSON.stringify(value, null, 2)}\n`);
  }

  tokenizer(kind: 'clip' | 'bert' | 't5', folder: string): void {
    const files = {
      clip: ['tokenizer.json', 'vocab.json', 'merges.txt', 'tokenizer_config.json', 'special_tokens_map.json'],
      bert: ['tokenizer.json'],
      t5: ['tokenizer.json', 'tokenizer_config.json', 'spiece.model'],
    };
    for (const file of files[kind]) {
      copyFileSync(join(this.#tokenizers, kind, file), this.#path(join(folder, file)));
      chmodSync(this.#path(join(folder, file)), 0o644);
    }
  }

  /** CLIP's, padding with "!" (id 0), as SD 2.1, SD-Turbo and SDXL's second encoder do. */
  zeroPaddedTokenizer(folder: string): void {
    this.tokenizer('clip', folder);
    const path = this.#path(join(folder, 'tokenizer_config.json'));
    const config = JSON.parse(readFileSync(path, 'utf8'));
    const pad = { content: '!', lstrip: false, normalized: false, rstrip: false, single_word: false, special: true };
    const added_tokens_decoder = { 0: pad, ...config.added_tokens_decoder };
    this.json(join(folder, 'tokenizer_config.json'), { ...config, added_tokens_decoder, pad_token: '!' });
  }

  #tensors(table: NameTable, seed: string, dtype: StoredFloat): SeededTensor[] {
    return table.tensors.map(([name, shape]) => ({ name, shape, dtype, seed: `${seed}/${name}` }));
  }

  async #write(path: string, network: string, dtype: StoredFloat, write: (to: string, t: SeededTensor[]) => void) {
    const start = performance.now();
    const tensors = this.#tensors(await nameTable(network), network, dtype);
    write(this.#path(path), tensors);
    const bytes = tensors.reduce((n, t) => n + bytesOf(t), 0);
    this.#say(`${path}: ${(bytes / 1e9).toFixed(2)} GB in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  }

  async safetensors(path: string, network: string, dtype: StoredFloat = 'F16'): Promise<void> {
    await this.#write(path, network, dtype, (to, tensors) => writeSafetensorsFile(to, tensors, this.#filling));
  }

  async torch(path: string, network: string, dtype: StoredFloat, under?: string): Promise<void> {
    await this.#write(path, network, dtype, (to, tensors) => writeTorchFile(to, tensors, this.#filling, under));
  }

  /** Shards of at most `limit` bytes with their index.json, as transformers saves what is large. */
  async shards(folder: string, base: string, network: string, limit = 5e9, dtype: StoredFloat = 'F16'): Promise<void> {
    const shards: SeededTensor[][] = [[]];
    let size = 0;
    for (const tensor of this.#tensors(await nameTable(network), network, dtype)) {
      if (size > 0 && size + bytesOf(tensor) > limit) {
        shards.push([]);
        size = 0;
      }
      shards.at(-1)?.push(tensor);
      size += bytesOf(tensor);
    }
    const weight_map: Record<string, string> = {};
    const five = (n: number): string => String(n).padStart(5, '0');
    for (const [i, tensors] of shards.entries()) {
      const file = `${base}-${five(i + 1)}-of-${five(shards.length)}.safetensors`;
      writeSafetensorsFile(this.#path(join(folder, file)), tensors, this.#filling);
      this.#say(`${folder}/${file}: ${(tensors.reduce((n, t) => n + bytesOf(t), 0) / 1e9).toFixed(2)} GB`);
      for (const { name } of tensors) {
        weight_map[name] = file;
      }
    }
    const total_size = shards.flat().reduce((n, t) => n + bytesOf(t), 0);
    this.json(join(folder, `${base}.safetensors.index.json`), { metadata: { total_size }, weight_map });
  }

  async config(path: string, network: string, more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const { _class_name, ...config } = (await nameTable(network)).config;
    const named = /^(CLIP|T5)/.test(String(_class_name)) ? { architectures: [_class_name] } : { _class_name };
    this.json(path, { ...named, ...config, ...more });
  }

  scheduler(folder: string, config: Readonly<Record<string, unknown>>): void {
    this.json(join(folder, 'scheduler_config.json'), config);
  }
}

export type Part = (folder: Folder) => Promise<void>;

/** A network with its config.json in a folder of its own. */
async function network(folder: Folder, path: string, name: string, base: string, more = {}): Promise<void> {
  await folder.config(`${path}/config.json`, name, more);
  await folder.safetensors(`${path}/${base}.safetensors`, name);
}

const clip =
  (path: string, name: string): Part =>
  async (folder) => {
    await network(folder, path, name, 'model', { model_type: 'clip' });
    folder.tokenizer('clip', path);
  };

const REWARDS: Readonly<Record<string, Part>> = {
  clip: clip('clip', 'clip_vit_h'),
  pick_score: clip('pick_score', 'pick_score'),
  hps: async (folder) => {
    const { _class_name, ...model_cfg } = (await nameTable('open_clip_vit_h')).config;
    folder.json('hps/open_clip_config.json', { model_cfg });
    folder.tokenizer('clip', 'hps');
    await folder.torch('hps/HPS_v2.1_compressed.pt', 'open_clip_vit_h', 'F16', 'state_dict');
  },
  image_reward: async (folder) => {
    const { med_config } = (await nameTable('image_reward')).config;
    // As published: med_config.json says 768, and the code puts the image encoder's width there.
    folder.json('image_reward/med_config.json', { ...(med_config as object), encoder_width: 768 });
    folder.tokenizer('bert', 'image_reward');
    await folder.torch('image_reward/ImageReward.pt', 'image_reward', 'F32');
  },
};

/** SDXL's networks; `vae` changes the decoder's config.json. */
const sdxl =
  (scheduler: { readonly _class_name: string }, vae: Readonly<Record<string, unknown>> = {}): Part =>
  async (folder) => {
    folder.json('generator/model_index.json', {
      _class_name: 'StableDiffusionXLPipeline',
      text_encoder: ['transformers', 'CLIPTextModel'],
      text_encoder_2: ['transformers', 'CLIPTextModelWithProjection'],
      tokenizer: ['transformers', 'CLIPTokenizer'],
      tokenizer_2: ['transformers', 'CLIPTokenizer'],
      unet: ['diffusers', 'UNet2DConditionModel'],
      vae: ['diffusers', 'AutoencoderKL'],
      scheduler: ['diffusers', scheduler._class_name],
      force_zeros_for_empty_prompt: true,
    });
    folder.scheduler('generator/scheduler', scheduler);
    folder.tokenizer('clip', 'generator/tokenizer');
    folder.zeroPaddedTokenizer('generator/tokenizer_2');
    await network(folder, 'generator/text_encoder', 'sdxl_text_encoder', 'model.fp16', {
      model_type: 'clip_text_model',
    });
    await network(folder, 'generator/text_encoder_2', 'sdxl_text_encoder_2', 'model.fp16', {
      model_type: 'clip_text_model',
    });
    await network(folder, 'generator/unet', 'sdxl_unet', 'diffusion_pytorch_model.fp16');
    await network(folder, 'generator/vae', 'sdxl_vae', 'diffusion_pytorch_model.fp16', vae);
  };

const GENERATORS: Readonly<Record<string, Part>> = {
  'sd-turbo': async (folder) => {
    folder.json('generator/model_index.json', {
      _class_name: 'StableDiffusionPipeline',
      text_encoder: ['transformers', 'CLIPTextModel'],
      tokenizer: ['transformers', 'CLIPTokenizer'],
      unet: ['diffusers', 'UNet2DConditionModel'],
      vae: ['diffusers', 'AutoencoderKL'],
      scheduler: ['diffusers', 'EulerDiscreteScheduler'],
      safety_checker: [null, null],
      feature_extractor: [null, null],
    });
    folder.scheduler('generator/scheduler', { _class_name: 'EulerDiscreteScheduler', ...TURBO });
    folder.zeroPaddedTokenizer('generator/tokenizer');
    await network(folder, 'generator/text_encoder', 'sd_turbo_text_encoder', 'model.fp16', {
      model_type: 'clip_text_model',
    });
    await network(folder, 'generator/unet', 'sd_turbo_unet', 'diffusion_pytorch_model.fp16');
    await network(folder, 'generator/vae', 'sd_vae', 'diffusion_pytorch_model.fp16');
  },
  'sdxl-turbo': sdxl({ _class_name: 'EulerAncestralDiscreteScheduler', ...TURBO }),
  pixart: async (folder) => {
    folder.json('generator/model_index.json', {
      _class_name: 'PixArtAlphaPipeline',
      text_encoder: ['transformers', 'T5EncoderModel'],
      tokenizer: ['transformers', 'T5Tokenizer'],
      transformer: ['diffusers', 'PixArtTransformer2DModel'],
      vae: ['diffusers', 'AutoencoderKL'],
      scheduler: ['diffusers', 'DDPMScheduler'],
    });
    folder.scheduler('generator/scheduler', {
      _class_name: 'DDPMScheduler',
      num_train_timesteps: 1000,
      beta_start: 0.0001,
      beta_end: 0.02,
      beta_schedule: 'linear',
      clip_sample: false,
      prediction_type: 'epsilon',
    });
    folder.tokenizer('t5', 'generator/tokenizer');
    await folder.config('generator/text_encoder/config.json', 't5_xxl_encoder', { model_type: 't5' });
    await folder.shards('generator/text_encoder', 'model', 't5_xxl_encoder');
    await network(folder, 'generator/transformer', 'pixart_transformer', 'diffusion_pytorch_model.fp16');
    await network(folder, 'generator/vae', 'sd_vae', 'diffusion_pytorch_model.fp16');
  },
};

/** Too large for the machines that this is tried on: planned, not run. */
const PLANNED: Readonly<Record<string, Part>> = {
  // With sdxl-vae-fp16-fix, as the reference runs it.
  'sdxl-turbo-fp16-vae': sdxl({ _class_name: 'EulerAncestralDiscreteScheduler', ...TURBO }, { force_upcast: false }),
  'hyper-sdxl': sdxl({ _class_name: 'LCMScheduler', ...TURBO }),
  'flux-schnell': async (folder) => {
    folder.json('generator/model_index.json', {
      _class_name: 'FluxPipeline',
      text_encoder: ['transformers', 'CLIPTextModel'],
      text_encoder_2: ['transformers', 'T5EncoderModel'],
      tokenizer: ['transformers', 'CLIPTokenizer'],
      tokenizer_2: ['transformers', 'T5TokenizerFast'],
      transformer: ['diffusers', 'FluxTransformer2DModel'],
      vae: ['diffusers', 'AutoencoderKL'],
      scheduler: ['diffusers', 'FlowMatchEulerDiscreteScheduler'],
    });
    folder.scheduler('generator/scheduler', {
      _class_name: 'FlowMatchEulerDiscreteScheduler',
      num_train_timesteps: 1000,
      shift: 1,
      use_dynamic_shifting: false,
    });
    folder.tokenizer('clip', 'generator/tokenizer');
    folder.tokenizer('t5', 'generator/tokenizer_2');
    await network(folder, 'generator/text_encoder', 'sdxl_text_encoder', 'model', { model_type: 'clip_text_model' });
    await folder.config('generator/text_encoder_2/config.json', 't5_xxl_encoder', { model_type: 't5' });
    await folder.shards('generator/text_encoder_2', 'model', 't5_xxl_encoder');
    await folder.config('generator/transformer/config.json', 'flux_schnell_transformer');
    await folder.shards('generator/transformer', 'diffusion_pytorch_model', 'flux_schnell_transformer');
    await network(folder, 'generator/vae', 'flux_vae', 'diffusion_pytorch_model');
  },
};

export const MODELS = Object.keys(GENERATORS);
export const PLANNED_MODELS = [...MODELS, ...Object.keys(PLANNED)];
export const PARTS = ['generator', ...Object.keys(REWARDS)];

/** @throws Error when there is no such model or part. */
export function partOf(model: string, part: string): Part {
  const found = part === 'generator' ? (GENERATORS[model] ?? PLANNED[model]) : REWARDS[part];
  if (!found) {
    throw new Error(`there is no ${part} of ${model}; models: ${MODELS.join(', ')}; parts: ${PARTS.join(', ')}`);
  }
  return found;
}
