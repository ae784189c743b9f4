/** diffusers' AutoencoderTiny (TAESD): a distilled decoder of about one million parameters. */
import { affine, tanh, upsampleNearest } from '../kernels/index.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { at } from '../tensor/types.ts';
import type { Config } from './config.ts';
import { Conv2d } from './layers.ts';
import type { WeightStore } from './weights.ts';

export interface AutoencoderTinyConfig {
  readonly latent_channels: number;
  readonly out_channels: number;
  readonly decoder_block_out_channels: readonly number[];
  readonly num_decoder_blocks: readonly number[];
  readonly upsampling_scaling_factor: number;
  readonly scaling_factor: number;
  readonly shift_factor: number;
}

/** @throws Error naming file and key for what is missing, malformed or not supported yet. */
export function readAutoencoderTinyConfig(config: Config): AutoencoderTinyConfig {
  config.oneOf('act_fn', ['relu'], 'relu');
  config.oneOf('upsample_fn', ['nearest'], 'nearest');
  const decoder_block_out_channels = config.counts('decoder_block_out_channels', [64, 64, 64, 64]);
  const num_decoder_blocks = config.counts('num_decoder_blocks', [3, 3, 3, 1]);
  if (num_decoder_blocks.length !== decoder_block_out_channels.length) {
    config.fail('num_decoder_blocks', 'must have as many entries as decoder_block_out_channels');
  }
  if (decoder_block_out_channels.some((c) => c !== decoder_block_out_channels[0])) {
    config.fail('decoder_block_out_channels', 'must be all the same: diffusers builds no other decoder');
  }
  return {
    latent_channels: config.count('latent_channels', 4),
    out_channels: config.count('out_channels', 3),
    decoder_block_out_channels,
    num_decoder_blocks,
    upsampling_scaling_factor: config.count('upsampling_scaling_factor', 2),
    scaling_factor: config.number('scaling_factor', 1),
    shift_factor: config.number('shift_factor', 0),
  };
}

/** The half of a full checkpoint that is not read here. */
export const AUTOENCODER_TINY_ENCODER: readonly RegExp[] = [/^encoder\./];

class AutoencoderTinyBlock {
  readonly conv: readonly [Conv2d, Conv2d, Conv2d];

  constructor(w: WeightStore, channels: number) {
    const conv = (i: number): Conv2d => new Conv2d(w.sub('conv', i), channels, channels, 3);
    this.conv = [conv(0), conv(2), conv(4)];
  }

  forward(x: Tensor): Tensor {
    const [first, second, third] = this.conv;
    const hidden = second.forward(first.forward(x, { activation: 'relu' }), { activation: 'relu' });
    return third.forward(hidden, { residual: x, activation: 'relu' });
  }
}

export class AutoencoderTiny {
  readonly config: AutoencoderTinyConfig;
  readonly #w: WeightStore;
  /** `decoder.layers`: modules by their place in the checkpoint's Sequential. */
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
    ); // The ReLU has a place of its own.
    channels.forEach((width, i) => {
      for (let n = 0; n < at(config.num_decoder_blocks, i); n++) {
        const block = new AutoencoderTinyBlock(next(), width);
        layers.push((x) => block.forward(x));
      }
      if (i < last) {
        layers.push((x) => upsampleNearest(x, config.upsampling_scaling_factor));
      }
      const conv = new Conv2d(next(), width, i < last ? width : config.out_channels, 3, { bias: i === last });
      layers.push((x) => conv.forward(x));
    });
    this.config = config;
    this.#w = w;
    this.layers = layers;
  }

  /** How many pixels a latent's side stands for. */
  get scale(): number {
    return this.config.upsampling_scaling_factor ** (this.config.decoder_block_out_channels.length - 1);
  }

  /** Latents [N,h,w,L] → pixels in about [-1,1], [N,h·scale,w·scale,3]. */
  decode(z: Tensor): Tensor {
    return this.#w.scope(() => {
      const limited = affine(tanh(affine(z, 1 / 3)), 3);
      return affine(
        this.layers.reduce((x, layer) => layer(x), limited),
        2,
        -1,
      );
    });
  }

  unscale(latents: Tensor): Tensor {
    const { scaling_factor, shift_factor } = this.config;
    return affine(latents, 1 / scaling_factor, shift_factor);
  }
}
