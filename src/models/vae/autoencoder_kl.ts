/**
 * The decoder half of Stable Diffusion's autoencoder: latents to pixels. Nothing here encodes pictures.
 * Source: diffusers/models/autoencoders/autoencoder_kl.py: AutoencoderKL.
 */
import { affine, attention, reshape } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { at } from '../../tensor/types.ts';
import type { AliasTable } from '../checkpoint/aliases.ts';
import { type Config, inertKeys, MOST_LAYERS, type Range } from '../checkpoint/config.ts';
import { assertNotQuantized, DIFFUSERS_KEYS } from '../checkpoint/library_keys.ts';
import { Conv2d, GroupNorm, Linear } from '../layers/basic.ts';
import { ResnetBlock2D, Upsample2D } from '../layers/resnet.ts';
import type { WeightStore } from '../weights/weight_store.ts';

interface AutoencoderKLConfig {
  readonly latent_channels: number;
  readonly out_channels: number;
  readonly block_out_channels: readonly number[];
  readonly layers_per_block: number;
  readonly norm_num_groups: number;
  readonly scaling_factor: number;
  readonly shift_factor: number;
  readonly use_post_quant_conv: boolean;
  readonly mid_block_add_attention: boolean;
}

/** The ranges of `scaling_factor` and `shift_factor`. */
export const SCALING_RANGE: Range = [1e-6, 1e6];
export const SHIFT_RANGE: Range = [-1e6, 1e6];

/** Keys of the encoder half, the size of training pictures, and `force_upcast`, which the pipelines that follow it ask for. */
const INERT = inertKeys(
  [...DIFFUSERS_KEYS],
  ['in_channels', 'down_block_types', 'use_quant_conv'],
  ['sample_size', 'force_upcast'],
);

/** @throws Error naming file and key for what is missing, malformed or not supported yet. */
export function readAutoencoderKLConfig(config: Config): AutoencoderKLConfig {
  assertNotQuantized(config);
  const read: AutoencoderKLConfig = {
    latent_channels: config.count('latent_channels', 4),
    out_channels: config.count('out_channels', 3),
    block_out_channels: config.counts('block_out_channels'),
    layers_per_block: config.count('layers_per_block', 1, MOST_LAYERS),
    norm_num_groups: config.count('norm_num_groups', 32),
    scaling_factor: config.number('scaling_factor', 0.18215, SCALING_RANGE),
    shift_factor: config.has('shift_factor') ? config.number('shift_factor', 0, SHIFT_RANGE) : 0,
    use_post_quant_conv: config.boolean('use_post_quant_conv', true),
    mid_block_add_attention: config.boolean('mid_block_add_attention', true),
  };
  config.oneOf('act_fn', ['silu', 'swish'], 'silu');
  for (const type of config.strings('up_block_types', ['UpDecoderBlock2D'])) {
    if (type !== 'UpDecoderBlock2D') {
      config.fail('up_block_types', `has ${type}, but only UpDecoderBlock2D is supported yet`);
    }
  }
  for (const key of ['latents_mean', 'latents_std']) {
    if (config.has(key)) {
      config.fail(key, 'is not supported yet (only scaling_factor and shift_factor are)');
    }
  }
  for (const channels of read.block_out_channels) {
    if (channels % read.norm_num_groups !== 0) {
      config.fail(
        'norm_num_groups',
        `is ${read.norm_num_groups}, which does not divide ${channels} of block_out_channels`,
      );
    }
  }
  config.assertAllKnown(INERT);
  return read;
}

/** Keys of the mid attention before diffusers 0.18; the files of Stable Diffusion 1 and 2 still have them. */
export const AUTOENCODER_KL_ALIASES: AliasTable = [
  [/(\.attentions\.\d+)\.query\./, '$1.to_q.'],
  [/(\.attentions\.\d+)\.key\./, '$1.to_k.'],
  [/(\.attentions\.\d+)\.value\./, '$1.to_v.'],
  [/(\.attentions\.\d+)\.proj_attn\./, '$1.to_out.0.'],
];

/** Keys of the encoder half, which is not read here. */
export const AUTOENCODER_KL_ENCODER: readonly RegExp[] = [/^encoder\./, /^quant_conv\./];

const EPS = 1e-6;

/**
 * Single-head attention over all pixels, with its own norm and residual.
 * Source: diffusers/models/attention_processor.py: Attention.
 */
class MidAttention {
  readonly #w: WeightStore;
  readonly group_norm: GroupNorm;
  readonly to_q: Linear;
  readonly to_k: Linear;
  readonly to_v: Linear;
  readonly to_out: readonly [Linear];

  constructor(w: WeightStore, channels: number, groups: number) {
    this.#w = w;
    this.group_norm = new GroupNorm(w.sub('group_norm'), groups, channels, EPS);
    this.to_q = new Linear(w.sub('to_q'), channels, channels);
    this.to_k = new Linear(w.sub('to_k'), channels, channels);
    this.to_v = new Linear(w.sub('to_v'), channels, channels);
    this.to_out = [new Linear(w.sub('to_out', 0), channels, channels)];
  }

  forward(x: Tensor): Tensor {
    return this.#w.scope(() => {
      // 1. Norm, with the pixels as tokens.
      const tokens = [x.dim(0), x.dim(1) * x.dim(2), x.dim(3)];
      const normed = reshape(this.group_norm.forward(x), tokens);
      // 2. Attention.
      const [q, k, v] = [this.to_q.forward(normed), this.to_k.forward(normed), this.to_v.forward(normed)];
      const attended = attention(q, k, v, { heads: 1 });
      // 3. Projection and residual.
      return reshape(this.to_out[0].forward(attended, { residual: reshape(x, tokens) }), x.shape);
    });
  }
}

/** `decoder.mid_block`. Source: diffusers/models/unets/unet_2d_blocks.py: UNetMidBlock2D. */
export class UNetMidBlock2D {
  readonly #w: WeightStore;
  readonly resnets: readonly [ResnetBlock2D, ResnetBlock2D];
  readonly attentions: readonly MidAttention[];

  constructor(w: WeightStore, channels: number, groups: number, attention: boolean) {
    const config = { in_channels: channels, out_channels: channels, groups, eps: EPS, temb_channels: null };
    this.#w = w;
    this.resnets = [new ResnetBlock2D(w.sub('resnets', 0), config), new ResnetBlock2D(w.sub('resnets', 1), config)];
    this.attentions = attention ? [new MidAttention(w.sub('attentions', 0), channels, groups)] : [];
  }

  forward(x: Tensor): Tensor {
    return this.#w.scope(() => {
      const first = this.resnets[0].forward(x, null);
      return this.resnets[1].forward(this.attentions[0]?.forward(first) ?? first, null);
    });
  }
}

/** A level of the decoder. Source: diffusers/models/unets/unet_2d_blocks.py: UpDecoderBlock2D. */
export class UpDecoderBlock2D {
  readonly #w: WeightStore;
  readonly resnets: readonly ResnetBlock2D[];
  readonly upsamplers: readonly Upsample2D[];

  constructor(
    w: WeightStore,
    inChannels: number,
    outChannels: number,
    layers: number,
    groups: number,
    upsample: boolean,
  ) {
    this.#w = w;
    this.resnets = Array.from({ length: layers }, (_, i) => {
      const in_channels = i === 0 ? inChannels : outChannels;
      return new ResnetBlock2D(w.sub('resnets', i), {
        in_channels,
        out_channels: outChannels,
        groups,
        eps: EPS,
        temb_channels: null,
      });
    });
    this.upsamplers = upsample ? [new Upsample2D(w.sub('upsamplers', 0), outChannels)] : [];
  }

  forward(x: Tensor): Tensor {
    return this.#w.scope(() => {
      const hidden = this.resnets.reduce((h, block) => block.forward(h, null), x);
      return this.upsamplers.reduce((h, upsampler) => upsampler.forward(h), hidden);
    });
  }
}

/** Source: diffusers/models/autoencoders/vae.py: Decoder. */
export class Decoder {
  readonly #w: WeightStore;
  readonly conv_in: Conv2d;
  readonly mid_block: UNetMidBlock2D;
  readonly up_blocks: readonly UpDecoderBlock2D[];
  readonly conv_norm_out: GroupNorm;
  readonly conv_out: Conv2d;

  constructor(w: WeightStore, config: AutoencoderKLConfig) {
    const groups = config.norm_num_groups;
    const channels = [...config.block_out_channels].reverse();
    const widest = at(channels, 0);
    const narrowest = at(channels, channels.length - 1);
    this.#w = w;
    this.conv_in = new Conv2d(w.sub('conv_in'), config.latent_channels, widest, 3);
    this.mid_block = new UNetMidBlock2D(w.sub('mid_block'), widest, groups, config.mid_block_add_attention);
    this.up_blocks = channels.map((out, i) => {
      const block = w.sub('up_blocks', i);
      const before = at(channels, Math.max(0, i - 1));
      return new UpDecoderBlock2D(block, before, out, config.layers_per_block + 1, groups, i < channels.length - 1);
    });
    this.conv_norm_out = new GroupNorm(w.sub('conv_norm_out'), groups, narrowest, EPS);
    this.conv_out = new Conv2d(w.sub('conv_out'), narrowest, config.out_channels, 3);
  }

  /** [N,h,w,latent_channels] → [N,h·scale,w·scale,out_channels] */
  forward(z: Tensor): Tensor {
    return this.#w.scope(() => {
      // 1. First convolution and the middle block, at the size of the latents.
      let hidden = this.mid_block.forward(this.conv_in.forward(z));
      // 2. Up: every block but the last doubles the size.
      for (const block of this.up_blocks) {
        hidden = block.forward(hidden);
      }
      // 3. Last norm with SiLU, last convolution.
      return this.conv_out.forward(this.conv_norm_out.forward(hidden, true));
    });
  }
}

export class AutoencoderKL {
  readonly config: AutoencoderKLConfig;
  readonly #w: WeightStore;
  readonly post_quant_conv: Conv2d | null;
  readonly decoder: Decoder;

  constructor(w: WeightStore, config: AutoencoderKLConfig) {
    const { latent_channels, use_post_quant_conv } = config;
    this.config = config;
    this.#w = w;
    this.post_quant_conv = use_post_quant_conv
      ? new Conv2d(w.sub('post_quant_conv'), latent_channels, latent_channels, 1)
      : null;
    this.decoder = new Decoder(w.sub('decoder'), config);
  }

  /** Pixels per latent, along one side. */
  get scale(): number {
    return 2 ** (this.config.block_out_channels.length - 1);
  }

  /** Latents in the autoencoder's own range [N,h,w,L] → pixels in about [-1,1], [N,h·scale,w·scale,3]. */
  decode(z: Tensor): Tensor {
    return this.#w.scope(() => this.decoder.forward(this.post_quant_conv?.forward(z) ?? z));
  }

  /** Latents of unit variance, as the generator makes them → latents in the autoencoder's own range. */
  unscale(latents: Tensor): Tensor {
    const { scaling_factor, shift_factor } = this.config;
    return affine(latents, 1 / scaling_factor, shift_factor);
  }
}
