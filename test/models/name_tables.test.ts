/**
 * Our classes ask for exactly the tensors of the full-size networks, by the public libraries' own names and shapes
 * (python/reference/name_tables.py). Files are headers only: no value is read.
 */
import { readdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { NETWORKS_FOLDER, type NetworkTable, networkTable } from '../../src/cli/plan/networks.ts';
import { PUBLISHED_NAMES, publishedLayout } from '../../src/cli/plan/published_layout.ts';
import { ImageReward, imageRewardConfig } from '../../src/models/blip/blip.ts';
import { Config } from '../../src/models/checkpoint/config.ts';
import type { TensorFile } from '../../src/models/checkpoint/tensor_file.ts';
import { CLIPModel, clipConfig } from '../../src/models/clip/clip.ts';
import { CLIPTextModel, clipTextConfig } from '../../src/models/clip/clip_text.ts';
import {
  CLIPTextModelWithProjection,
  clipTextWithProjectionConfig,
} from '../../src/models/clip/clip_text_with_projection.ts';
import { OPEN_CLIP_ALIASES, openClipConfig } from '../../src/models/clip/open_clip.ts';
import { FluxTransformer2DModel, readFluxTransformer2DConfig } from '../../src/models/flux/flux_transformer_2d.ts';
import { RewardMLP } from '../../src/models/layers/reward_mlp.ts';
import {
  PIXART_IGNORE,
  PixArtTransformer2DModel,
  readPixArtTransformer2DConfig,
} from '../../src/models/pixart/pixart_transformer_2d.ts';
import { T5EncoderModel, t5Config } from '../../src/models/t5/t5.ts';
import { readUNet2DConditionConfig, UNet2DConditionModel } from '../../src/models/unet/unet_2d_condition.ts';
import { AUTOENCODER_KL_ENCODER, AutoencoderKL, readAutoencoderKLConfig } from '../../src/models/vae/autoencoder_kl.ts';
import {
  AUTOENCODER_TINY_ENCODER,
  AutoencoderTiny,
  readAutoencoderTinyConfig,
} from '../../src/models/vae/autoencoder_tiny.ts';
import type { WeightOptions } from '../../src/models/weights/weight_inputs.ts';
import { WeightStore } from '../../src/models/weights/weight_store.ts';
import { REWARD_NAMES } from '../../src/reno/rewards/index.ts';
import { Graph } from '../../src/tensor/graph.ts';
import { sizeOf } from '../../src/tensor/types.ts';

interface Network {
  readonly build: (weights: WeightStore, config: Config) => unknown;
  readonly options?: WeightOptions;
  /** Millions of parameters that are used, as the tables of the papers and model cards round them; of some part, by prefix. */
  readonly millions: number;
  readonly parts?: Readonly<Record<string, number>>;
}

const unet: Network['build'] = (w, c) => new UNet2DConditionModel(w, readUNet2DConditionConfig(c));
const text: Network['build'] = (w, c) => new CLIPTextModel(w, clipTextConfig(c));
const clip: Network['build'] = (w, c) => new CLIPModel(w, clipConfig(c));
/** The encoder is in the file; ReNO only decodes. */
const vae = (millions: number): Network => ({
  build: (w, c) => new AutoencoderKL(w, readAutoencoderKLConfig(c)),
  options: { ignore: AUTOENCODER_KL_ENCODER },
  millions,
});
const CLIP_H = { build: clip, millions: 986.11, parts: { 'vision_model|visual_projection': 632.08 } };

const NETWORKS: Readonly<Record<string, Network>> = {
  sd_turbo_unet: { build: unet, millions: 865.91 },
  sd_turbo_text_encoder: { build: text, millions: 340.39 },
  sd_vae: vae(49.49),
  sdxl_unet: { build: unet, millions: 2567.46 },
  sdxl_text_encoder: { build: text, millions: 123.06 },
  sdxl_text_encoder_2: {
    build: (w, c) => new CLIPTextModelWithProjection(w, clipTextWithProjectionConfig(c)),
    millions: 694.66,
  },
  sdxl_vae: vae(49.49),
  pixart_transformer: {
    build: (w, c) => new PixArtTransformer2DModel(w, readPixArtTransformer2DConfig(c)),
    options: { ignore: PIXART_IGNORE },
    millions: 610.86,
  },
  t5_xxl_encoder: { build: (w, c) => new T5EncoderModel(w, t5Config(c)), millions: 4762.31 },
  flux_schnell_transformer: {
    build: (w, c) => new FluxTransformer2DModel(w, readFluxTransformer2DConfig(c)),
    millions: 11891.18,
  },
  // 16 latent channels in place of 4: 512·9·12 weights more, and no post_quant_conv.
  flux_vae: vae(49.55),
  taesd: {
    build: (w, c) => new AutoencoderTiny(w, readAutoencoderTinyConfig(c)),
    options: { ignore: AUTOENCODER_TINY_ENCODER },
    millions: 1.22,
  },
  clip_vit_h: CLIP_H,
  pick_score: CLIP_H,
  open_clip_vit_h: {
    build: (w, c) => new CLIPModel(w, openClipConfig(c)),
    options: { aliases: OPEN_CLIP_ALIASES },
    millions: 986.11,
  },
  clip_vit_l: { build: clip, millions: 427.62 },
  image_reward: {
    build: (w, c) => new ImageReward(w, imageRewardConfig(c)),
    millions: 446.21,
    parts: { blip: 445.28, mlp: 0.93 },
  },
  aesthetic_mlp: { build: (w) => new RewardMLP(w, 768), millions: 0.93 },
};

/** A checkpoint of names and shapes. */
function headers(table: NetworkTable): TensorFile {
  const entries = table.tensors.map(([name, shape]) => [name, { name, shape, dtype: 'F16' as const }] as const);
  return {
    source: { name: table.network },
    entries: new Map(entries),
    read: async (name) => {
      throw new Error(`${table.network}: ${name} has no values`);
    },
  };
}

const millions = (n: number): number => Math.round(n / 1e4) / 100;
const count = (shapes: readonly (readonly number[])[]): number => shapes.reduce((n, shape) => n + sizeOf(shape), 0);

function build(network: Network, table: NetworkTable): WeightStore {
  const weights = new WeightStore(new Graph(), [headers(table)], network.options);
  network.build(weights, new Config(`${table.network}/config.json`, table.config));
  return weights;
}

describe('full-size networks by their public names and shapes', () => {
  it.each(Object.entries(NETWORKS))('%s', async (name, network) => {
    const table = networkTable(name);
    const weights = build(network, table);
    weights.assertAllUsed();
    const used = weights.used();
    expect(millions(count(used.map((t) => t.shape)))).toBe(network.millions);
    for (const [prefix, expected] of Object.entries(network.parts ?? {})) {
      const part = table.tensors.filter(([key]) => new RegExp(`^(${prefix})\\.`).test(key));
      expect(millions(count(part.map(([, shape]) => shape))), prefix).toBe(expected);
    }
  });

  it('no table is left out: it is here or in a published generator or reward, which test/cli/plan/planned_run.test.ts opens', async () => {
    const files = await readdir(NETWORKS_FOLDER);
    const published = [...PUBLISHED_NAMES, ...REWARD_NAMES].flatMap((name) =>
      publishedLayout(name, '.').weights.map((w) => w.network),
    );
    const known = new Set([...Object.keys(NETWORKS), ...published]);
    expect(files.map((file) => file.replace('.json.gz', '')).sort()).toEqual([...known].sort());
  });

  it('a name that is wrong, one too many and a wrong shape are all found', async () => {
    const network = { build: unet, millions: 0 };
    const table = networkTable('sd_turbo_unet');
    const change = (at: string, to: readonly (readonly [string, readonly number[]])[]): NetworkTable => ({
      ...table,
      tensors: table.tensors.flatMap((entry) => (entry[0] === at ? to : [entry])),
    });
    const bias = 'mid_block.resnets.1.conv2.bias';
    expect(() => build(network, change(bias, [['mid_block.resnets.1.conv_2.bias', [1280]]]))).toThrow(
      'there is no tensor mid_block.resnets.1.conv2.bias',
    );
    const one = change(bias, [
      [bias, [1280]],
      ['mid_block.resnets.2.conv1.bias', [1280]],
    ]);
    expect(() => build(network, one).assertAllUsed()).toThrow('mid_block.resnets.2.conv1.bias');
    expect(() => build(network, change(bias, [[bias, [640]]]))).toThrow('has shape [640] where [1280] is needed');
  });
});
