/**
 * The denoiser of Stable Diffusion, SDXL and their distilled one-step descendants.
 * Source: diffusers/models/unets/unet_2d_condition.py: UNet2DConditionModel.
 */
import { add } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { at } from '../../tensor/types.ts';
import { type Config, EPS_RANGE, inertKeys, MOST_LAYERS } from '../checkpoint/config.ts';
import { assertNotQuantized, DIFFUSERS_KEYS } from '../checkpoint/library_keys.ts';
import { Conv2d, GroupNorm } from '../layers/basic.ts';
import { sinusoids, TimestepEmbedding, timesteps } from '../layers/embeddings.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { type AddedCond, readTextTimeConfig, type TextTimeConfig, textTime } from './text_time.ts';
import {
  DownBlock2D,
  type LevelAttention,
  type LevelCommon,
  UNetMidBlock2DCrossAttn,
  UpBlock2D,
} from './unet_blocks.ts';

const DOWN = ['CrossAttnDownBlock2D', 'DownBlock2D'];
const UP = ['CrossAttnUpBlock2D', 'UpBlock2D'];

/** The keys of unet/config.json that this engine reads and checks. Lists have one entry for each level. */
export interface UNet2DConditionConfig {
  readonly in_channels: number;
  readonly out_channels: number;
  /** Height and width of the latents by default. The file may have one number for both. */
  readonly sample_size: readonly [height: number, width: number];
  readonly flip_sin_to_cos: boolean;
  readonly freq_shift: number;
  readonly down_block_types: readonly string[];
  readonly mid_block_type: 'UNetMidBlock2DCrossAttn' | null;
  readonly up_block_types: readonly string[];
  readonly block_out_channels: readonly number[];
  readonly layers_per_block: readonly number[];
  readonly norm_num_groups: number;
  readonly norm_eps: number;
  readonly cross_attention_dim: number;
  readonly transformer_layers_per_block: readonly number[];
  /** The number of heads. This model's config.json calls it `attention_head_dim`. */
  readonly num_attention_heads: readonly number[];
  /** `addition_embed_type` "text_time" (SDXL); null where there is none. */
  readonly addition_embed: TextTimeConfig | null;
}

/** Settings that no supported generator uses, with the values that are allowed besides absence. */
const FIXED: Readonly<Record<string, readonly unknown[]>> = {
  act_fn: ['silu', 'swish'],
  attention_type: ['default'],
  center_input_sample: [false],
  class_embed_type: [],
  class_embeddings_concat: [false],
  conv_in_kernel: [3],
  conv_out_kernel: [3],
  cross_attention_norm: [],
  // Diffusers pads on two sides only where this is 0.
  downsample_padding: [1],
  dual_cross_attention: [false],
  encoder_hid_dim: [],
  encoder_hid_dim_type: [],
  mid_block_scale_factor: [1],
  mid_block_only_cross_attention: [false],
  num_attention_heads: [],
  num_class_embeds: [],
  only_cross_attention: [false],
  resnet_out_scale_factor: [1],
  resnet_skip_time_act: [false],
  resnet_time_scale_shift: ['default'],
  reverse_transformer_layers_per_block: [],
  time_cond_proj_dim: [],
  time_embedding_act_fn: [],
  time_embedding_dim: [],
  time_embedding_type: ['positional'],
  timestep_post_act: [],
};

/**
 * Keys without an effect here: dropout is for training, attention is computed in f32 anyway, the shape of the weights says
 * whether a projection is linear, and the others belong to embeddings that `FIXED` refuses.
 */
const INERT = inertKeys(
  [...DIFFUSERS_KEYS],
  ['dropout', 'upcast_attention', 'use_linear_projection', 'addition_embed_type_num_heads'],
  ['addition_time_embed_dim', 'projection_class_embeddings_input_dim'],
);

/** @throws Error naming file and key for what is missing, malformed or not supported yet. */
export function readUNet2DConditionConfig(config: Config): UNet2DConditionConfig {
  assertNotQuantized(config);
  config.allowOnly(FIXED);
  const block_out_channels = config.counts('block_out_channels');
  const levels = block_out_channels.length;
  const blocks = (key: string, known: readonly string[]): readonly string[] => {
    const types = config.strings(key);
    if (types.length !== levels || !types.every((t) => known.includes(t))) {
      config.fail(
        key,
        `must be ${levels} of ${known.join(', ')} (one for each of block_out_channels), but is ${JSON.stringify(types)}`,
      );
    }
    return types;
  };
  const mid = 'UNetMidBlock2DCrossAttn' as const;
  const read: UNet2DConditionConfig = {
    in_channels: config.count('in_channels', 4),
    out_channels: config.count('out_channels', 4),
    sample_size: config.has('sample_size') ? config.countPair('sample_size') : [64, 64],
    flip_sin_to_cos: config.boolean('flip_sin_to_cos', true),
    freq_shift: config.number('freq_shift', 0, [-100, 100]),
    down_block_types: blocks('down_block_types', DOWN),
    mid_block_type: config.isNull('mid_block_type') ? null : config.oneOf('mid_block_type', [mid], mid),
    up_block_types: blocks('up_block_types', UP),
    block_out_channels,
    layers_per_block: config.countsEach('layers_per_block', levels, 2, MOST_LAYERS),
    norm_num_groups: config.count('norm_num_groups', 32),
    norm_eps: config.number('norm_eps', 1e-5, EPS_RANGE),
    cross_attention_dim: config.count('cross_attention_dim', 1280),
    transformer_layers_per_block: config.countsEach('transformer_layers_per_block', levels, 1, MOST_LAYERS),
    num_attention_heads: config.countsEach('attention_head_dim', levels, 8),
    addition_embed: readTextTimeConfig(config),
  };
  block_out_channels.forEach((channels, i) => {
    if (channels % read.norm_num_groups !== 0) {
      config.fail(
        'norm_num_groups',
        `is ${read.norm_num_groups}, which does not divide ${channels} of block_out_channels`,
      );
    }
    if (channels % at(read.num_attention_heads, i) !== 0) {
      config.fail(
        'attention_head_dim',
        `(the number of heads) must divide block_out_channels at level ${i}, ${channels}`,
      );
    }
  });
  config.assertAllKnown(INERT);
  return read;
}

export class UNet2DConditionModel {
  readonly config: UNet2DConditionConfig;
  readonly #w: WeightStore;
  readonly conv_in: Conv2d;
  readonly time_embedding: TimestepEmbedding;
  readonly add_embedding: TimestepEmbedding | null;
  readonly down_blocks: readonly DownBlock2D[];
  readonly mid_block: UNetMidBlock2DCrossAttn | null;
  readonly up_blocks: readonly UpBlock2D[];
  readonly conv_norm_out: GroupNorm;
  readonly conv_out: Conv2d;

  constructor(w: WeightStore, config: UNet2DConditionConfig) {
    const channels = config.block_out_channels;
    const first = at(channels, 0);
    const last = channels.length - 1;
    const common: LevelCommon = {
      temb_channels: first * 4,
      groups: config.norm_num_groups,
      eps: config.norm_eps,
      cross_attention_dim: config.cross_attention_dim,
    };
    const attention = (level: number): LevelAttention => ({
      heads: at(config.num_attention_heads, level),
      layers: at(config.transformer_layers_per_block, level),
    });
    this.config = config;
    this.#w = w;
    this.conv_in = new Conv2d(w.sub('conv_in'), config.in_channels, first, 3);
    this.time_embedding = new TimestepEmbedding(w.sub('time_embedding'), first, common.temb_channels);

    const added = config.addition_embed?.projection_class_embeddings_input_dim;
    this.add_embedding = added ? new TimestepEmbedding(w.sub('add_embedding'), added, common.temb_channels) : null;

    // Channels of every skip connection, in the order of the down blocks; the up blocks take them from the end.
    const skip_channels = [first];
    this.down_blocks = channels.map((out_channels, i) => {
      const layers = at(config.layers_per_block, i);
      skip_channels.push(...new Array<number>(layers + (i < last ? 1 : 0)).fill(out_channels));
      return new DownBlock2D(w.sub('down_blocks', i), {
        ...common,
        in_channels: at(channels, Math.max(0, i - 1)),
        out_channels,
        layers,
        attention: at(config.down_block_types, i) === 'CrossAttnDownBlock2D' ? attention(i) : null,
        downsample: i < last,
      });
    });
    this.mid_block =
      config.mid_block_type === null
        ? null
        : new UNetMidBlock2DCrossAttn(w.sub('mid_block'), {
            ...common,
            channels: at(channels, last),
            attention: attention(last),
          });
    this.up_blocks = channels.map((_, i) => {
      const level = last - i;
      return new UpBlock2D(w.sub('up_blocks', i), {
        ...common,
        in_channels: at(channels, Math.min(last, level + 1)),
        out_channels: at(channels, level),
        skip_channels: skip_channels.splice(-(at(config.layers_per_block, level) + 1)).reverse(),
        attention: at(config.up_block_types, i) === 'CrossAttnUpBlock2D' ? attention(level) : null,
        upsample: level > 0,
      });
    });
    this.conv_norm_out = new GroupNorm(w.sub('conv_norm_out'), config.norm_num_groups, first, config.norm_eps);
    this.conv_out = new Conv2d(w.sub('conv_out'), first, config.out_channels, 3);
  }

  /** Returns the numbers that embed a timestep, [1,C]. */
  sinusoids(timestep: number): number[] {
    return sinusoids(timestep, at(this.config.block_out_channels, 0), this.config);
  }

  /**
   * @param sample [N,H,W,in_channels], already scaled by the scheduler's `inputScale`
   * @param timestep in training steps (0 … 999), one for the whole batch; as a tensor, its `sinusoids` [1,C]
   * @param encoderHiddenStates text features [N,S,cross_attention_dim]
   * @param addedCond SDXL's pooled text and sizes, one for the whole batch or a row for each picture
   * @returns the prediction [N,H,W,out_channels]: noise, velocity or the clean sample, as the scheduler's `prediction_type` says
   * @throws Error when `addedCond` is missing where the config wants it, or given where it does not
   */
  forward(sample: Tensor, timestep: number | Tensor, encoderHiddenStates: Tensor, addedCond?: AddedCond): Tensor {
    return this.#w.scope(() => {
      // 1. Embed the timestep, and SDXL's added conditions with it.
      const temb = this.#temb(sample, timestep, addedCond);
      // 2. First convolution.
      let hidden = this.conv_in.forward(sample);
      // 3. Down: every residual block and every downsampler leaves a skip connection.
      const skips = [hidden];
      for (const block of this.down_blocks) {
        const level = block.forward(hidden, temb, encoderHiddenStates);
        hidden = level.hidden;
        skips.push(...level.skips);
      }
      // 4. Middle.
      hidden = this.mid_block?.forward(hidden, temb, encoderHiddenStates) ?? hidden;
      // 5. Up: each block takes the skip connections of its level, last made first.
      for (const block of this.up_blocks) {
        const taken = skips.splice(-block.resnets.length).reverse();
        // The next level's last skip has the size to upsample to; it is odd where a downsampler halved an odd size.
        const next = skips[skips.length - 1];
        hidden = block.forward(hidden, taken, temb, encoderHiddenStates, next ? [next.dim(1), next.dim(2)] : undefined);
      }
      // 6. Last norm with SiLU, last convolution.
      return this.conv_out.forward(this.conv_norm_out.forward(hidden, true));
    });
  }

  /** Returns the time embedding, [1,T] or a row for each picture. Where the timestep is a number, it is a constant of the graph and no step computes it. */
  #temb({ graph, shape }: Tensor, timestep: number | Tensor, addedCond: AddedCond | undefined): Tensor {
    const { addition_embed } = this.config;
    if (!addition_embed !== !addedCond) {
      throw new Error(
        addedCond
          ? 'this UNet has no addition_embed_type, so it takes no text_embeds and time_ids'
          : 'this UNet has addition_embed_type "text_time", as SDXL: it needs text_embeds and time_ids',
      );
    }
    const known = typeof timestep === 'number';
    const temb = this.time_embedding.forward(
      known ? timesteps(graph, timestep, at(this.config.block_out_channels, 0), this.config) : timestep,
    );
    return addition_embed && addedCond && this.add_embedding
      ? add(temb, this.add_embedding.forward(textTime(addedCond, { ...this.config, ...addition_embed }, at(shape, 0))))
      : temb;
  }
}
