/**
 * The denoiser of PixArt-α. Checkpoints may call it by its older name, Transformer2DModel.
 * Source: diffusers/models/transformers/pixart_transformer_2d.py: PixArtTransformer2DModel.
 */
import { add, cast, gelu, reshape, transpose } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { at } from '../../tensor/types.ts';
import { type Config, EPS_RANGE, inertKeys, MOST_LAYERS } from '../checkpoint/config.ts';
import { assertNotQuantized, DIFFUSERS_KEYS } from '../checkpoint/library_keys.ts';
import { modulated } from '../layers/ada_layer_norm.ts';
import { Linear } from '../layers/basic.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { AdaLayerNormSingle, rowsOf } from './ada_norm_single.ts';
import { PatchEmbed } from './patch_embed.ts';
import { PixArtBlock } from './pixart_block.ts';

/** The keys of transformer/config.json that this engine reads and checks. */
interface PixArtTransformer2DConfig {
  readonly num_attention_heads: number;
  readonly attention_head_dim: number;
  readonly inner_dim: number;
  readonly in_channels: number;
  readonly out_channels: number;
  readonly num_layers: number;
  /** Side of the latents in training. */
  readonly sample_size: number;
  readonly patch_size: number;
  readonly norm_eps: number;
  readonly interpolation_scale: number;
  /** Whether the model takes the picture's size. */
  readonly use_additional_conditions: boolean;
  /** Width of the text features. */
  readonly caption_channels: number;
}

const FIXED: Readonly<Record<string, readonly unknown[]>> = {
  activation_fn: ['gelu-approximate'],
  attention_bias: [true],
  attention_type: ['default'],
  double_self_attention: [false],
  norm_elementwise_affine: [false],
  num_vector_embeds: [],
  only_cross_attention: [false],
};

/** Keys that older diffusers wrote: the positions, and the embedding of an empty caption, which only guidance needs. */
export const PIXART_IGNORE: readonly RegExp[] = [
  /(^|\.)pos_embed\.pos_embed$/,
  /(^|\.)caption_projection\.y_embedding$/,
];

/** Keys without an effect: dropout is for training, attention is in f32 anyway, and this network has no group norm. */
const INERT = inertKeys(
  [...DIFFUSERS_KEYS],
  ['dropout', 'upcast_attention', 'norm_num_groups', 'num_embeds_ada_norm', 'use_linear_projection'],
);

/** @throws Error naming file and key for what is missing, malformed or not supported yet. */
export function readPixArtTransformer2DConfig(config: Config): PixArtTransformer2DConfig {
  assertNotQuantized(config);
  config.allowOnly(FIXED);
  config.oneOf('norm_type', ['ada_norm_single']);
  const num_attention_heads = config.count('num_attention_heads', 16);
  const attention_head_dim = config.count('attention_head_dim', 72);
  const inner_dim = num_attention_heads * attention_head_dim;
  const in_channels = config.count('in_channels', 4);
  const sample_size = config.count('sample_size', 128);
  const use_additional_conditions = config.has('use_additional_conditions')
    ? config.boolean('use_additional_conditions')
    : sample_size === 128;
  if (config.has('cross_attention_dim') && config.count('cross_attention_dim') !== inner_dim) {
    config.fail('cross_attention_dim', `must be num_attention_heads · attention_head_dim, ${inner_dim}`);
  }
  const out_channels = config.has('out_channels') ? config.count('out_channels') : in_channels;
  if (out_channels !== in_channels && out_channels !== 2 * in_channels) {
    config.fail('out_channels', `must be in_channels, ${in_channels}, or twice that, but is ${out_channels}`);
  }
  const divisor = use_additional_conditions ? 12 : 4;
  if (inner_dim % divisor !== 0) {
    config.fail(
      'attention_head_dim',
      `times num_attention_heads must be a multiple of ${divisor}, but is ${inner_dim}`,
    );
  }
  const read: PixArtTransformer2DConfig = {
    num_attention_heads,
    attention_head_dim,
    inner_dim,
    in_channels,
    out_channels,
    num_layers: config.count('num_layers', 28, MOST_LAYERS),
    sample_size,
    patch_size: config.count('patch_size', 2),
    norm_eps: config.number('norm_eps', 1e-6, EPS_RANGE),
    interpolation_scale: config.has('interpolation_scale')
      ? config.number('interpolation_scale', 1, [1e-3, 1e3])
      : Math.max(1, Math.floor(sample_size / 64)),
    use_additional_conditions,
    caption_channels: config.count('caption_channels'),
  };
  config.assertAllKnown(INERT);
  return read;
}

/**
 * `caption_projection`: projects text features to the width of the tokens.
 * Source: diffusers/models/embeddings.py: PixArtAlphaTextProjection.
 */
class PixArtAlphaTextProjection {
  readonly linear_1: Linear;
  readonly linear_2: Linear;

  constructor(w: WeightStore, from: number, to: number) {
    this.linear_1 = new Linear(w.sub('linear_1'), from, to);
    this.linear_2 = new Linear(w.sub('linear_2'), to, to);
  }

  forward(caption: Tensor): Tensor {
    return this.linear_2.forward(gelu(this.linear_1.forward(caption), 'tanh'));
  }
}

/** The model's inputs besides the latents. */
interface PixArtConditioning {
  /** In training steps, one for the whole batch. */
  readonly timestep: number;
  /** Text features [N,S,caption_channels]. */
  readonly caption: Tensor;
  /** f32 [N,S]: 1 = token, 0 = padding. */
  readonly captionMask: Tensor;
  /** Size of the picture in pixels. */
  readonly height: number;
  readonly width: number;
}

export class PixArtTransformer2DModel {
  readonly config: PixArtTransformer2DConfig;
  readonly #w: WeightStore;
  readonly pos_embed: PatchEmbed;
  readonly adaln_single: AdaLayerNormSingle;
  readonly caption_projection: PixArtAlphaTextProjection;
  readonly transformer_blocks: readonly PixArtBlock[];
  readonly scale_shift_table: Tensor;
  readonly proj_out: Linear;

  constructor(w: WeightStore, config: PixArtTransformer2DConfig) {
    const { inner_dim, patch_size, out_channels } = config;
    this.config = config;
    this.#w = w;
    this.pos_embed = new PatchEmbed(w.sub('pos_embed'), { ...config, embed_dim: inner_dim });
    this.adaln_single = new AdaLayerNormSingle(w.sub('adaln_single'), inner_dim, config.use_additional_conditions);
    this.caption_projection = new PixArtAlphaTextProjection(
      w.sub('caption_projection'),
      config.caption_channels,
      inner_dim,
    );
    this.transformer_blocks = Array.from(
      { length: config.num_layers },
      (_, i) => new PixArtBlock(w.sub('transformer_blocks', i), config),
    );
    this.scale_shift_table = w.get('scale_shift_table', [2, inner_dim]);
    this.proj_out = new Linear(w.sub('proj_out'), inner_dim, patch_size * patch_size * out_channels);
  }

  /**
   * @param sample [N,H,W,in_channels], sides multiples of patch_size
   * @returns [N,H,W,out_channels]; where that is twice in_channels, the noise and then its learned variance
   * @throws Error when the sides are no multiples of the patch
   */
  forward(sample: Tensor, conditioning: PixArtConditioning): Tensor {
    const { patch_size } = this.config;
    if (sample.dim(1) % patch_size !== 0 || sample.dim(2) % patch_size !== 0) {
      throw new Error(
        `latents of ${sample.dim(2)}×${sample.dim(1)}: sides must be multiples of the patch, ${patch_size}`,
      );
    }
    return this.#w.scope(() => {
      // 1. Embed timestep and text.
      const { blocks, embedded } = this.adaln_single.forward(sample.graph, conditioning.timestep, conditioning);
      const caption = this.caption_projection.forward(conditioning.caption);
      // 2. Patches as tokens. 3. Transformer blocks.
      let hidden = this.pos_embed.forward(sample);
      for (const block of this.transformer_blocks) {
        hidden = block.forward(hidden, caption, conditioning.captionMask, blocks);
      }
      // 4. Last norm, last projection, and tokens back to the grid.
      const rows = rowsOf(add(embedded, cast(this.scale_shift_table, 'f32')));
      // The last norm's eps is 1e-6 in diffusers, whatever norm_eps is.
      return this.#unpatchify(this.proj_out.forward(modulated(hidden, at(rows, 0), at(rows, 1), 1e-6)), sample);
    });
  }

  /** [N, H/p·W/p, p·p·C] → [N,H,W,C] */
  #unpatchify(tokens: Tensor, { shape: [n = 1, height = 1, width = 1] }: Tensor): Tensor {
    const { patch_size: p, out_channels } = this.config;
    const patches = reshape(tokens, [n, height / p, width / p, p, p, out_channels]);
    return reshape(transpose(patches, [0, 1, 3, 2, 4, 5]), [n, height, width, out_channels]);
  }
}
