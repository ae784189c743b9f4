/** Every key of a config is followed, known to be inert, or refused by name: nothing is left out in silence. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { memoryFiles } from '../../../commands/parity/fixtures.ts';
import { FIXTURES } from '../../../commands/parity/golden.ts';
import { PUBLISHED_NAMES, publishedLayout } from '../../../src/cli/plan/published_layout.ts';
import { medConfig } from '../../../src/models/blip/med_bert.ts';
import { Config, inertKeys } from '../../../src/models/checkpoint/config.ts';
import { clipConfig } from '../../../src/models/clip/clip.ts';
import { clipTextConfig } from '../../../src/models/clip/clip_text.ts';
import { openClipConfig } from '../../../src/models/clip/open_clip.ts';
import { readFluxTransformer2DConfig } from '../../../src/models/flux/flux_transformer_2d.ts';
import { readPixArtTransformer2DConfig } from '../../../src/models/pixart/pixart_transformer_2d.ts';
import { type SchedulerClass, stepsOf } from '../../../src/models/schedulers/index.ts';
import { t5Config } from '../../../src/models/t5/t5.ts';
import { readUNet2DConditionConfig } from '../../../src/models/unet/unet_2d_condition.ts';
import { readAutoencoderKLConfig } from '../../../src/models/vae/autoencoder_kl.ts';
import { readAutoencoderTinyConfig } from '../../../src/models/vae/autoencoder_tiny.ts';
import { readSettings } from '../../../src/reno/settings/settings.ts';

type Values = Readonly<Record<string, unknown>>;

const PIXART = {
  activation_fn: 'gelu-approximate',
  attention_bias: true,
  attention_head_dim: 72,
  caption_channels: 4096,
  cross_attention_dim: 1152,
  in_channels: 4,
  norm_elementwise_affine: false,
  norm_type: 'ada_norm_single',
  out_channels: 8,
  patch_size: 2,
  sample_size: 64,
};
const scheduler =
  (as?: SchedulerClass, timestep = 400) =>
  (config: Config) =>
    stepsOf(config, [timestep], { mu: 0 }, as);

/** How each class's config is read, and what its defaults need to be a network that can be read. */
const READERS: Readonly<Record<string, { read: (config: Config) => unknown; change?: Values }>> = {
  UNet2DConditionModel: { read: readUNet2DConditionConfig },
  AutoencoderKL: { read: readAutoencoderKLConfig },
  AutoencoderTiny: { read: readAutoencoderTinyConfig },
  PixArtTransformer2DModel: { read: readPixArtTransformer2DConfig, change: PIXART },
  Transformer2DModel: { read: readPixArtTransformer2DConfig, change: PIXART },
  FluxTransformer2DModel: { read: readFluxTransformer2DConfig },
  EulerDiscreteScheduler: { read: scheduler() },
  EulerAncestralDiscreteScheduler: { read: scheduler() },
  FlowMatchEulerDiscreteScheduler: { read: scheduler(undefined, 1000) },
  LCMScheduler: { read: scheduler() },
  DDPMScheduler: { read: scheduler(), change: { clip_sample: false } },
  DDIMScheduler: { read: scheduler(), change: { clip_sample: false } },
  // As diffusers reads them with another class than their own: what that class does not take is left out.
  PNDMScheduler: { read: scheduler('EulerDiscreteScheduler') },
  DPMSolverMultistepScheduler: { read: scheduler('LCMScheduler') },
};

describe("diffusers' defaults, as save_pretrained writes them", () => {
  const versions: Readonly<Record<string, Readonly<Record<string, Values>>>> = JSON.parse(
    readFileSync(join(FIXTURES, 'config_defaults.json'), 'utf8'),
  );
  it.each(Object.keys(versions))('of version %s', (version) => {
    const classes = Object.entries(versions[version] ?? {});
    expect(classes.length).toBeGreaterThan(8);
    for (const [name, defaults] of classes) {
      // Transformer2DModel knew PixArt from 0.22 on.
      if (name !== 'Transformer2DModel' || 'caption_channels' in defaults) {
        const { read, change } = READERS[name] ?? {};
        expect(() => read?.(new Config(`${name} ${version}`, { ...defaults, ...change })), name).not.toThrow();
      }
    }
  });
});

describe('published configs', () => {
  const network = (path: string, config: Config): unknown => {
    const name = config.value('_class_name');
    const reader = typeof name === 'string' ? READERS[name] : undefined;
    if (path.endsWith('scheduler_config.json')) {
      return scheduler(undefined, name === 'FlowMatchEulerDiscreteScheduler' ? 1000 : 400)(config);
    }
    if (reader) {
      return reader.read(config);
    }
    return config.value('model_type') === 't5' ? t5Config(config) : clipTextConfig(config);
  };
  it.each(PUBLISHED_NAMES)('of %s', (name) => {
    for (const [path, values] of Object.entries(publishedLayout(name, '').files)) {
      if (!path.endsWith('model_index.json')) {
        expect(() => network(path, new Config(path, values)), path).not.toThrow();
      }
    }
  });

  it('of rewards', () => {
    const at = (name: string, path: string): Config => new Config(path, publishedLayout(name, '').files[path]);
    for (const name of ['clip', 'pick_score', 'aesthetic']) {
      expect(() => clipConfig(at(name, 'config.json'))).not.toThrow();
    }
    expect(() => openClipConfig(at('hps', 'open_clip_config.json'))).not.toThrow();
    expect(() => medConfig(at('image_reward', 'med_config.json'))).not.toThrow();
  });

  it('with everything that transformers 4.2x wrote into the section of a tower', () => {
    const old = {
      ...{ _name_or_path: '', add_cross_attention: false, architectures: null, bad_words_ids: null, bos_token_id: 0 },
      ...{
        chunk_size_feed_forward: 0,
        cross_attention_hidden_size: null,
        decoder_start_token_id: null,
        do_sample: false,
      },
      ...{ diversity_penalty: 0, dropout: 0, early_stopping: false, encoder_no_repeat_ngram_size: 0, eos_token_id: 2 },
      ...{ finetuning_task: null, hidden_act: 'gelu', id2label: { 0: 'LABEL_0' }, label2id: { LABEL_0: 0 } },
      ...{ initializer_factor: 1, initializer_range: 0.02, is_decoder: false, is_encoder_decoder: false },
      ...{ length_penalty: 1, max_length: 20, min_length: 0, model_type: 'clip_text_model', no_repeat_ngram_size: 0 },
      ...{ num_beam_groups: 1, num_beams: 1, num_return_sequences: 1, output_attentions: false, pad_token_id: 1 },
      ...{ prefix: null, problem_type: null, projection_dim: 512, pruned_heads: {}, remove_invalid_values: false },
      ...{
        repetition_penalty: 1,
        return_dict: true,
        return_dict_in_generate: false,
        temperature: 1,
        top_k: 50,
        top_p: 1,
      },
      ...{ tf_legacy_loss: false, tie_encoder_decoder: false, tie_word_embeddings: true, torchscript: false },
      ...{ torch_dtype: null, transformers_version: '4.24.0', typical_p: 1, use_bfloat16: false },
    };
    expect(clipTextConfig(new Config('text_config', old)).hidden_act).toBe('gelu');
  });
});

describe('what is refused by name', () => {
  const vae = { block_out_channels: [32] };
  const refused: Record<string, [read: (config: Config) => unknown, values: Values, message: RegExp]> = {
    'an unknown key': [
      readAutoencoderKLConfig,
      { ...vae, decoder_gain: 2 },
      /^f: decoder_gain is 2: this key is not known/,
    ],
    'an unknown key of a scheduler': [
      scheduler('LCMScheduler'),
      { warp: 1 },
      /^f: warp is 1: this key is not known here/,
    ],
    'scaling_factor null': [
      readAutoencoderKLConfig,
      { ...vae, scaling_factor: null },
      /scaling_factor must be a number from .*, but is null/,
    ],
    'weights that are quantized': [
      readUNet2DConditionConfig,
      { quantization_config: { quant_method: 'bitsandbytes' } },
      /quantization_config says that the weights are quantized \("bitsandbytes"\), which is not supported/,
    ],
    'a text encoder that is quantized': [t5Config, { quantization_config: {} }, /quantization_config says/],
    'a T5 of another family': [t5Config, { model_type: 'umt5' }, /model_type is "umt5", but only t5 can be read here/],
    'a CLIP of another family': [
      clipTextConfig,
      { model_type: 'siglip_text_model' },
      /model_type is "siglip_text_model"/,
    ],
    'removed heads': [clipTextConfig, { pruned_heads: { 1: [0] } }, /pruned_heads names heads that were removed/],
    'heads that do not divide the width': [clipTextConfig, { num_attention_heads: 7 }, /is 7, which does not divide/],
    'an activation that overrides the feed-forward': [
      t5Config,
      { feed_forward_proj: 'gated-gelu', dense_act_fn: 'silu' },
      /dense_act_fn is "silu", which is not supported yet \(only "gelu_new" is\)/,
    ],
    'positions that are relative': [
      medConfig,
      { position_embedding_type: 'relative_key' },
      /position_embedding_type is/,
    ],
    'another preprocessing': [
      openClipConfig,
      { model_cfg: { embed_dim: 8, vision_cfg: {}, text_cfg: {} }, preprocess_cfg: { mean: [0.5, 0.5, 0.5] } },
      /\(preprocess_cfg\): mean is \[0\.5,0\.5,0\.5\], but only OpenAI's/,
    ],
    'a million layers': [
      clipTextConfig,
      { num_hidden_layers: 1e6 },
      /num_hidden_layers must be .* at most 1000, but is/,
    ],
    'a norm of eps 2': [clipTextConfig, { layer_norm_eps: 2 }, /layer_norm_eps must be a number from 0 to 1, but is 2/],
  };
  it.each(Object.entries(refused))('%s', (_, [read, values, message]) => {
    expect(() => read(new Config('f', values))).toThrow(message);
  });

  it('a schedule of 2^31 training steps, at once', () => {
    const values = {
      _class_name: 'EulerDiscreteScheduler',
      timestep_spacing: 'trailing',
      num_train_timesteps: 2 ** 31,
    };
    expect(() => stepsOf(new Config('s', values), 1)).toThrow(
      's: num_train_timesteps must be a positive integer of at most 100000, but is 2147483648',
    );
  });

  it('a reno.json with a typing error, a value out of range, or a reward that does not exist', async () => {
    const read = (values: unknown) => readSettings(memoryFiles('model', { 'reno.json': JSON.stringify(values) }));
    await expect(read({ nIter: 5 })).rejects.toThrow('model/reno.json: nIter is 5: this key is not known here');
    await expect(read({ lr: -1 })).rejects.toThrow('lr must be a number from 0 to 1000000, but is -1');
    await expect(read({ rewards: { hps: -1 } })).rejects.toThrow('(rewards): hps must be a number from 0 to 1000000');
    await expect(read({ rewards: { hpsv2: 1 } })).rejects.toThrow('(rewards): hpsv2 is 1: this key is not known here');
    const deep = `${'['.repeat(20)}1${']'.repeat(20)}`;
    await expect(read({ lr: JSON.parse(deep) })).rejects.toThrow(/lr must be a number .*, but is \[\[\[…\]\]\]$/);
  });
});

describe('an unknown key', () => {
  const said: string[] = [];
  const config = (values: Values) => new Config('f', values, (sentence) => said.push(sentence));

  it('that says nothing is inert', () => {
    const nothing = { a: null, b: false, c: '', d: [], e: {} };
    expect(() => config(nothing).assertAllKnown(inertKeys())).not.toThrow();
    expect(said).toEqual([]);
  });

  it('that begins with "_" is left out, and said', () => {
    config({ _note: 'x' }).assertAllKnown(inertKeys());
    expect(said).toEqual(['f: _note is "x": this key is not known here, and it is left out']);
  });
});

describe('a CLIPModel with text_config_dict', () => {
  it('reads that in place of the section, with the defaults for what it lacks, and says what differs', () => {
    const said: string[] = [];
    const values = {
      text_config: { hidden_act: 'gelu', num_hidden_layers: 3, hidden_size: 512 },
      text_config_dict: { num_hidden_layers: 2, hidden_size: 512 },
      vision_config: {},
    };
    const { text_config: text } = clipConfig(new Config('f', values, (sentence) => said.push(sentence)));
    expect([text.num_hidden_layers, text.hidden_act]).toEqual([2, 'quick_gelu']);
    expect(said).toEqual([
      'f: text_config_dict replaces text_config, as in transformers: num_hidden_layers is 2 instead of 3',
      'f: text_config_dict replaces text_config, as in transformers: hidden_act is the default instead of "gelu"',
    ]);
  });
});
