/**
 * TAESD: a distilled decoder, and a distilled encoder, of about one million parameters each.
 * Source: diffusers/models/autoencoders/autoencoder_tiny.py: AutoencoderTiny.
 */
import { add, affine, relu, tanh, upsampleConv2d } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { at } from '../../tensor/types.ts';
import { type Config, inertKeys, MOST_LAYERS } from '../checkpoint/config.ts';
import { assertNotQuantized, DIFFUSERS_KEYS } from '../checkpoint/library_keys.ts';
import { Conv2d, GroupNorm } from '../layers/basic.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { SCALING_RANGE, SHIFT_RANGE } from './autoencoder_kl.ts';

export interface AutoencoderTinyConfig {
  readonly latent_channels: number;
  readonly in_channels: number;
  readonly out_channels: number;
  readonly encoder_block_out_channels: readonly number[];
  readonly num_encoder_blocks: readonly number[];
  readonly decoder_block_out_channels: readonly number[];
  readonly num_decoder_blocks: readonly number[];
  readonly upsampling_scaling_factor: number;
  readonly scaling_factor: number;
  readonly shift_factor: number;
}

/**
 * Keys without an effect: diffusers keeps `latent_magnitude` and `latent_shift` for pictures of latents, repeats the widths as
 * `block_out_channels`, and asks for `force_upcast` in the pipelines that follow it.
 */
const INERT = inertKeys(
  [...DIFFUSERS_KEYS],
  ['latent_magnitude', 'latent_shift', 'block_out_channels', 'force_upcast', 'sample_size'],
);

/** @throws Error naming file and key for what is missing, malformed or not supported yet. */
export function readAutoencoderTinyConfig(config: Config): AutoencoderTinyConfig {
  assertNotQuantized(config);
  config.oneOf('act_fn', ['relu'], 'relu');
  config.oneOf('upsample_fn', ['nearest'], 'nearest');
  const [encoder_block_out_channels, num_encoder_blocks] = levels(config, 'encoder', [1, 3, 3, 3]);
  const [decoder_block_out_channels, num_decoder_blocks] = levels(config, 'decoder', [3, 3, 3, 1]);
  const read: AutoencoderTinyConfig = {
    latent_channels: config.count('latent_channels', 4),
    in_channels: config.count('in_channels', 3),
    out_channels: config.count('out_channels', 3),
    encoder_block_out_channels,
    num_encoder_blocks,
    decoder_block_out_channels,
    num_decoder_blocks,
    upsampling_scaling_factor: config.count('upsampling_scaling_factor', 2, 16),
    scaling_factor: config.number('scaling_factor', 1, SCALING_RANGE),
    shift_factor: config.has('shift_factor') ? config.number('shift_factor', 0, SHIFT_RANGE) : 0,
  };
  config.assertAllKnown(INERT);
  return read;
}

/** Returns the widths and the numbers of blocks of one half, one entry for each level. */
function levels(config: Config, half: 'encoder' | 'decoder', absent: number[]): [readonly number[], readonly number[]] {
  const [widths, blocks] = [`${half}_block_out_channels`, `num_${half}_blocks`];
  const channels = config.counts(widths, [64, 64, 64, 64]);
  const numbers = config.counts(blocks, absent, MOST_LAYERS);
  if (numbers.length !== channels.length) {
    config.fail(blocks, `must have as many entries as ${widths}`);
  }
  if (channels.some((c) => c !== channels[0])) {
    config.fail(widths, 'must be all the same: diffusers builds no other');
  }
  return [channels, numbers];
}

/** Keys of the encoder half, which the decoder does not read. */
export const AUTOENCODER_TINY_ENCODER: readonly RegExp[] = [/^encoder\./];

/**
 * A branch of TAEF2's innermost blocks: its group norm takes statistics of the whole picture. diffusers' class has none.
 * Source: taesd/taesd.py: Block (`pool`).
 */
class MidblockPool {
  readonly #in: Conv2d;
  readonly #norm: GroupNorm;
  readonly #out: Conv2d;

  constructor(w: WeightStore, channels: number) {
    const inner = 4 * channels;
    this.#in = new Conv2d(w.sub(0), channels, inner, 1, { bias: false });
    this.#norm = new GroupNorm(w.sub(1), 4, inner, 1e-5);
    this.#out = new Conv2d(w.sub(3), inner, channels, 1, { bias: false });
  }

  forward(x: Tensor): Tensor {
    return this.#out.forward(relu(this.#norm.forward(this.#in.forward(x))));
  }
}

/** Source: diffusers/models/unets/unet_2d_blocks.py: AutoencoderTinyBlock. */
class AutoencoderTinyBlock {
  readonly conv: readonly [Conv2d, Conv2d, Conv2d];
  readonly pool: MidblockPool | null;

  constructor(w: WeightStore, channels: number) {
    const conv = (i: number): Conv2d => new Conv2d(w.sub('conv', i), channels, channels, 3);
    this.conv = [conv(0), conv(2), conv(4)];
    this.pool = w.hasModule('pool') ? new MidblockPool(w.sub('pool'), channels) : null;
  }

  /** [N,H,W,C] → [N,H,W,C] */
  forward(input: Tensor): Tensor {
    // 1. The branch of the whole picture, where there is one. 2. Three convolutions and the residual.
    const x = this.pool ? add(input, this.pool.forward(input)) : input;
    const [first, second, third] = this.conv;
    const hidden = second.forward(first.forward(x, { activation: 'relu' }), { activation: 'relu' });
    return third.forward(hidden, { residual: x, activation: 'relu' });
  }
}

export class AutoencoderTiny {
  readonly config: AutoencoderTinyConfig;
  readonly #w: WeightStore;
  /** `decoder.layers`: one function for each module of the checkpoint's Sequential, so that the indices agree. */
  readonly layers: readonly ((x: Tensor) => Tensor)[];

  constructor(w: WeightStore, config: AutoencoderTinyConfig) {
    const channels = config.decoder_block_out_channels;
    const last = channels.length - 1;
    const layers: ((x: Tensor) => Tensor)[] = [];
    const next = (): WeightStore => w.sub('decoder', 'layers', layers.length);
    const conv_in = new Conv2d(next(), config.latent_channels, at(channels, 0), 3);
    layers.push(
      (x) => conv_in.forward(x, { activation: 'relu' }),
      (x) => x,
    ); // The ReLU is a module of its own in the checkpoint; conv_in applies it here.
    channels.forEach((width, i) => {
      for (let n = 0; n < at(config.num_decoder_blocks, i); n++) {
        const block = new AutoencoderTinyBlock(next(), width);
        layers.push((x) => block.forward(x));
      }
      if (i < last) {
        layers.push((x) => x); // The upsampling is a module of its own in the checkpoint; the next convolution does it here.
      }
      const conv = new Conv2d(next(), width, i < last ? width : config.out_channels, 3, { bias: i === last });
      const factor = config.upsampling_scaling_factor;
      layers.push((x) => (i < last ? upsampleConv2d(x, factor, conv.weight, conv.bias) : conv.forward(x)));
    });
    this.config = config;
    this.#w = w;
    this.layers = layers;
  }

  /** Pixels per latent, along one side. */
  get scale(): number {
    return this.config.upsampling_scaling_factor ** (this.config.decoder_block_out_channels.length - 1);
  }

  /** Latents [N,h,w,L] → pixels in about [-1,1], [N,h·scale,w·scale,3]. */
  decode(z: Tensor): Tensor {
    return this.#w.scope(() => {
      // 1. Limit the latents softly to ±3. 2. The layers. 3. From [0,1] to [-1,1].
      const limited = affine(tanh(affine(z, 1 / 3)), 3);
      return affine(
        this.layers.reduce((x, layer) => layer(x), limited),
        2,
        -1,
      );
    });
  }

  /** Latents of unit variance, as the generator makes them → latents in the autoencoder's own range. */
  unscale(latents: Tensor): Tensor {
    const { scaling_factor, shift_factor } = this.config;
    return affine(latents, 1 / scaling_factor, shift_factor);
  }
}

/** `encoder` of AutoencoderTiny. Source: diffusers/models/autoencoders/vae.py: EncoderTiny. */
export class AutoencoderTinyEncoder {
  readonly #w: WeightStore;
  /** `encoder.layers`: one function for each module of the checkpoint's Sequential. */
  readonly layers: readonly ((x: Tensor) => Tensor)[];

  constructor(w: WeightStore, config: AutoencoderTinyConfig) {
    const channels = config.encoder_block_out_channels;
    const layers: ((x: Tensor) => Tensor)[] = [];
    const next = (): WeightStore => w.sub('encoder', 'layers', layers.length);
    channels.forEach((width, i) => {
      const conv = new Conv2d(
        next(),
        i === 0 ? config.in_channels : width,
        width,
        3,
        i === 0 ? {} : { stride: 2, padding: 1, bias: false },
      );
      layers.push((x) => conv.forward(x));
      for (let n = 0; n < at(config.num_encoder_blocks, i); n++) {
        const block = new AutoencoderTinyBlock(next(), width);
        layers.push((x) => block.forward(x));
      }
    });
    const conv_out = new Conv2d(next(), at(channels, channels.length - 1), config.latent_channels, 3);
    layers.push((x) => conv_out.forward(x));
    this.#w = w;
    this.layers = layers;
  }

  /** Pixels in [-1,1], [N,H,W,3] → latents [N,H/8,W/8,L]. */
  encode(x: Tensor): Tensor {
    return this.#w.scope(() => this.layers.reduce((h, layer) => layer(h), affine(x, 0.5, 0.5)));
  }
}
