/**
 * The levels of UNet2DConditionModel: residual blocks, with or without cross-attention after each.
 * Source: diffusers/models/unets/unet_2d_blocks.py: CrossAttnDownBlock2D, UNetMidBlock2DCrossAttn, CrossAttnUpBlock2D.
 */
import { concat } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { at } from '../../tensor/types.ts';
import { Transformer2DModel } from '../layers/attention_block.ts';
import { Downsample2D, ResnetBlock2D, Upsample2D } from '../layers/resnet.ts';
import type { WeightStore } from '../weights/weight_store.ts';

/** Settings that all levels of one UNet share. */
export interface LevelCommon {
  readonly temb_channels: number;
  readonly groups: number;
  readonly eps: number;
  readonly cross_attention_dim: number;
}

/** Cross-attention of one level. Plain blocks have null instead. */
export interface LevelAttention {
  readonly heads: number;
  /** Transformer blocks after each residual block. */
  readonly layers: number;
}

interface DownBlockConfig extends LevelCommon {
  readonly in_channels: number;
  readonly out_channels: number;
  readonly layers: number;
  readonly attention: LevelAttention | null;
  /** The last level has no downsampler. */
  readonly downsample: boolean;
}

function resnet(w: WeightStore, common: LevelCommon, inChannels: number, outChannels: number): ResnetBlock2D {
  const { groups, eps, temb_channels } = common;
  return new ResnetBlock2D(w, { in_channels: inChannels, out_channels: outChannels, groups, eps, temb_channels });
}

function transformer(w: WeightStore, common: LevelCommon, channels: number, level: LevelAttention): Transformer2DModel {
  const { groups, cross_attention_dim } = common;
  return new Transformer2DModel(w, { channels, heads: level.heads, layers: level.layers, groups, cross_attention_dim });
}

/** diffusers' `DownBlock2D`, or `CrossAttnDownBlock2D` where the config has attention. */
export class DownBlock2D {
  readonly #w: WeightStore;
  readonly resnets: readonly ResnetBlock2D[];
  readonly attentions: readonly Transformer2DModel[];
  readonly downsamplers: readonly Downsample2D[];

  constructor(w: WeightStore, config: DownBlockConfig) {
    const { in_channels, out_channels, layers, attention, downsample } = config;
    const each = Array.from({ length: layers }, (_, i) => i);
    this.#w = w;
    this.resnets = each.map((i) =>
      resnet(w.sub('resnets', i), config, i === 0 ? in_channels : out_channels, out_channels),
    );
    this.attentions = attention
      ? each.map((i) => transformer(w.sub('attentions', i), config, out_channels, attention))
      : [];
    this.downsamplers = downsample ? [new Downsample2D(w.sub('downsamplers', 0), out_channels)] : [];
  }

  /** Returns the level's result, and its skip connections for the up blocks in the order they are made. */
  forward(x: Tensor, temb: Tensor, context: Tensor): { hidden: Tensor; skips: Tensor[] } {
    return this.#w.scope(() => {
      const skips: Tensor[] = [];
      let hidden = x;
      this.resnets.forEach((block, i) => {
        hidden = block.forward(hidden, temb);
        hidden = this.attentions[i]?.forward(hidden, context) ?? hidden;
        skips.push(hidden);
      });
      for (const downsampler of this.downsamplers) {
        hidden = downsampler.forward(hidden);
        skips.push(hidden);
      }
      return { hidden, skips };
    });
  }
}

interface MidBlockConfig extends LevelCommon {
  readonly channels: number;
  readonly attention: LevelAttention;
}

export class UNetMidBlock2DCrossAttn {
  readonly #w: WeightStore;
  readonly resnets: readonly [ResnetBlock2D, ResnetBlock2D];
  readonly attentions: readonly [Transformer2DModel];

  constructor(w: WeightStore, config: MidBlockConfig) {
    const { channels, attention } = config;
    this.#w = w;
    this.resnets = [
      resnet(w.sub('resnets', 0), config, channels, channels),
      resnet(w.sub('resnets', 1), config, channels, channels),
    ];
    this.attentions = [transformer(w.sub('attentions', 0), config, channels, attention)];
  }

  forward(x: Tensor, temb: Tensor, context: Tensor): Tensor {
    return this.#w.scope(() => {
      const attended = this.attentions[0].forward(this.resnets[0].forward(x, temb), context);
      return this.resnets[1].forward(attended, temb);
    });
  }
}

interface UpBlockConfig extends LevelCommon {
  readonly in_channels: number;
  readonly out_channels: number;
  /** Channels of each skip connection, last made first. */
  readonly skip_channels: readonly number[];
  readonly attention: LevelAttention | null;
  readonly upsample: boolean;
}

/** diffusers' `UpBlock2D`, or `CrossAttnUpBlock2D` where the config has attention. */
export class UpBlock2D {
  readonly #w: WeightStore;
  readonly resnets: readonly ResnetBlock2D[];
  readonly attentions: readonly Transformer2DModel[];
  readonly upsamplers: readonly Upsample2D[];

  constructor(w: WeightStore, config: UpBlockConfig) {
    const { in_channels, out_channels, skip_channels, attention, upsample } = config;
    this.#w = w;
    this.resnets = skip_channels.map((skip, i) => {
      return resnet(w.sub('resnets', i), config, (i === 0 ? in_channels : out_channels) + skip, out_channels);
    });
    this.attentions = attention
      ? skip_channels.map((_, i) => transformer(w.sub('attentions', i), config, out_channels, attention))
      : [];
    this.upsamplers = upsample ? [new Upsample2D(w.sub('upsamplers', 0), out_channels)] : [];
  }

  /**
   * @param skips the skip connections of this level, last made first
   * @param size [height, width] after upsampling. Default: twice the input's
   */
  forward(
    x: Tensor,
    skips: readonly Tensor[],
    temb: Tensor,
    context: Tensor,
    size?: readonly [number, number],
  ): Tensor {
    return this.#w.scope(() => {
      let hidden = x;
      this.resnets.forEach((block, i) => {
        hidden = block.forward(concat([hidden, at(skips, i)], 3), temb);
        hidden = this.attentions[i]?.forward(hidden, context) ?? hidden;
      });
      for (const upsampler of this.upsamplers) {
        hidden = upsampler.forward(hidden, size);
      }
      return hidden;
    });
  }
}
