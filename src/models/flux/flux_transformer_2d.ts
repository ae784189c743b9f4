/** The denoiser of FLUX.1. Source: diffusers/models/transformers/transformer_flux.py: FluxTransformer2DModel. */
import { add, broadcastTo, cast, concat, slice } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type Config, MOST_LAYERS } from '../checkpoint/config.ts';
import { assertNotQuantized, DIFFUSERS_KEYS } from '../checkpoint/library_keys.ts';
import { AdaLayerNormContinuous } from '../layers/ada_layer_norm.ts';
import { Linear } from '../layers/basic.ts';
import { sinusoids, TimestepEmbedding, timesteps } from '../layers/embeddings.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { FluxSingleTransformerBlock, FluxTransformerBlock, type Streams } from './flux_blocks.ts';
import { type Position, rotaryTable } from './flux_pos_embed.ts';

export interface FluxTransformer2DConfig {
  readonly in_channels: number;
  readonly out_channels: number;
  readonly num_layers: number;
  readonly num_single_layers: number;
  readonly attention_head_dim: number;
  readonly num_attention_heads: number;
  readonly joint_attention_dim: number;
  readonly pooled_projection_dim: number;
  readonly guidance_embeds: boolean;
  readonly axes_dims_rope: readonly number[];
}

/** Reads transformer/config.json with diffusers' defaults. @throws Error naming file and key for what is malformed or not supported */
export function readFluxTransformer2DConfig(config: Config): FluxTransformer2DConfig {
  assertNotQuantized(config);
  const in_channels = config.count('in_channels', 64);
  const read: FluxTransformer2DConfig = {
    in_channels,
    out_channels: config.has('out_channels') ? config.count('out_channels') : in_channels,
    num_layers: config.count('num_layers', 19, MOST_LAYERS),
    num_single_layers: config.count('num_single_layers', 38, MOST_LAYERS),
    attention_head_dim: config.count('attention_head_dim', 128),
    num_attention_heads: config.count('num_attention_heads', 24),
    joint_attention_dim: config.count('joint_attention_dim', 4096),
    pooled_projection_dim: config.count('pooled_projection_dim', 768),
    guidance_embeds: config.boolean('guidance_embeds', false),
    axes_dims_rope: config.counts('axes_dims_rope', [16, 56, 56]),
  };
  if (config.count('patch_size', 1) !== 1) {
    config.fail('patch_size', 'must be 1: FLUX packs its patches before the transformer');
  }
  const { axes_dims_rope: axes, attention_head_dim: head } = read;
  if (axes.length !== 3 || axes.some((d) => d % 2 !== 0) || axes.reduce((n, d) => n + d, 0) !== head) {
    config.fail(
      'axes_dims_rope',
      `must be three even numbers that make attention_head_dim, ${head}, together, but is ${JSON.stringify(axes)}`,
    );
  }
  config.assertAllKnown(DIFFUSERS_KEYS);
  return read;
}

/** Number and order of the sinusoids in FLUX's `time_proj`. */
const SINUSOIDS = 256;
const SINUSOID_ORDER = { flip_sin_to_cos: true, freq_shift: 0 };

/** Returns the numbers that embed a timestep, [1,256]. */
export const fluxSinusoids = (timestep: number): number[] => sinusoids(timestep, SINUSOIDS, SINUSOID_ORDER);

/** Timesteps and guidance are multiplied by this before they are embedded. */
const GUIDANCE_SCALE = 1000;

/**
 * `time_text_embed`: one vector of the timestep, the guidance (where the model takes one) and the pooled prompt.
 * Source: diffusers/models/embeddings.py: CombinedTimestepGuidanceTextProjEmbeddings.
 */
class TimeTextEmbed {
  readonly timestep_embedder: TimestepEmbedding;
  readonly guidance_embedder: TimestepEmbedding | null;
  readonly linear_1: Linear;
  readonly linear_2: Linear;

  constructor(w: WeightStore, dim: number, config: FluxTransformer2DConfig) {
    const text = w.sub('text_embedder');
    this.timestep_embedder = new TimestepEmbedding(w.sub('timestep_embedder'), SINUSOIDS, dim);
    this.guidance_embedder = config.guidance_embeds
      ? new TimestepEmbedding(w.sub('guidance_embedder'), SINUSOIDS, dim)
      : null;
    this.linear_1 = new Linear(text.sub('linear_1'), config.pooled_projection_dim, dim);
    this.linear_2 = new Linear(text.sub('linear_2'), dim, dim);
  }

  /** pooled [1,P] → [1,C] */
  forward(timestep: number | Tensor, guidance: number | undefined, pooled: Tensor): Tensor {
    if ((guidance === undefined) !== (this.guidance_embedder === null)) {
      throw new Error(
        this.guidance_embedder
          ? 'this FLUX transformer was trained with guidance_embeds, so it needs a guidance'
          : 'this FLUX transformer has no guidance_embeds, so it takes no guidance',
      );
    }
    const embedded = (value: number): Tensor => timesteps(pooled.graph, value, SINUSOIDS, SINUSOID_ORDER);
    const time = this.timestep_embedder.forward(typeof timestep === 'number' ? embedded(timestep) : timestep);
    const strength = this.guidance_embedder?.forward(embedded((guidance ?? 0) * GUIDANCE_SCALE));
    const text = this.linear_2.forward(this.linear_1.forward(pooled, { activation: 'silu' }));
    return add(strength ? add(time, strength) : time, text);
  }
}

/** The denoiser's inputs besides the latents. */
interface FluxConditions {
  /** In training steps: 1000 is pure noise (diffusers passes a thousandth of it). A tensor holds its `fluxSinusoids`. */
  readonly timestep: number | Tensor;
  /** T5's last hidden state, [1,S,joint_attention_dim]. */
  readonly encoder_hidden_states: Tensor;
  /** CLIP's pooled output, [1,pooled_projection_dim]: one prompt for the whole batch. */
  readonly pooled_projections: Tensor;
  /** Positions of the T image and S text tokens. */
  readonly img_ids: readonly Position[];
  readonly txt_ids: readonly Position[];
  /** Required where the config has guidance_embeds, refused elsewhere. */
  readonly guidance?: number;
}

export class FluxTransformer2DModel {
  readonly config: FluxTransformer2DConfig;
  readonly #w: WeightStore;
  readonly x_embedder: Linear;
  readonly context_embedder: Linear;
  readonly time_text_embed: TimeTextEmbed;
  readonly transformer_blocks: readonly FluxTransformerBlock[];
  readonly single_transformer_blocks: readonly FluxSingleTransformerBlock[];
  readonly norm_out: AdaLayerNormContinuous;
  readonly proj_out: Linear;

  constructor(w: WeightStore, config: FluxTransformer2DConfig) {
    const size = { heads: config.num_attention_heads, head: config.attention_head_dim };
    const dim = size.heads * size.head;
    this.config = config;
    this.#w = w;
    this.x_embedder = new Linear(w.sub('x_embedder'), config.in_channels, dim);
    this.context_embedder = new Linear(w.sub('context_embedder'), config.joint_attention_dim, dim);
    this.time_text_embed = new TimeTextEmbed(w.sub('time_text_embed'), dim, config);
    this.transformer_blocks = Array.from(
      { length: config.num_layers },
      (_, i) => new FluxTransformerBlock(w.sub('transformer_blocks', i), size),
    );
    this.single_transformer_blocks = Array.from(
      { length: config.num_single_layers },
      (_, i) => new FluxSingleTransformerBlock(w.sub('single_transformer_blocks', i), size),
    );
    this.norm_out = new AdaLayerNormContinuous(w.sub('norm_out'), dim);
    this.proj_out = new Linear(w.sub('proj_out'), dim, config.out_channels);
  }

  /**
   * @param hidden_states packed latents [B,T,in_channels]
   * @returns the velocity, noise - picture, [B,T,out_channels]
   * @throws Error when a guidance is missing, or given to a model that takes none
   */
  forward(hidden_states: Tensor, conditions: FluxConditions): Tensor {
    const { encoder_hidden_states, pooled_projections, img_ids, txt_ids, timestep, guidance } = conditions;
    return this.#w.scope(() => {
      // 1. Embed timestep, prompt and positions.
      const temb = this.time_text_embed.forward(timestep, guidance, pooled_projections);
      const positions = [...txt_ids, ...img_ids];
      const rotary = rotaryTable(hidden_states.graph, positions, this.config.axes_dims_rope);
      // 2. Embed image and text tokens.
      const image = this.x_embedder.forward(hidden_states);
      const context = this.context_embedder.forward(encoder_hidden_states);
      const text = likeImage(context, image);
      // 3. Double blocks, then single blocks over text and image together.
      const double = this.transformer_blocks.reduce<Streams>((s, block) => block.forward(s, temb, rotary), {
        image,
        text,
      });
      const joint = this.single_transformer_blocks.reduce(
        (x, block) => block.forward(x, temb, rotary),
        concat([double.text, double.image], 1),
      );
      // 4. The image tokens alone: last norm, last projection.
      const last = slice(joint, [0, text.dim(1), 0], image.shape);
      return this.proj_out.forward(this.norm_out.forward(last, temb));
    });
  }
}

/** Casts text tokens to the storage type of the image tokens and repeats them for every picture of the batch. */
function likeImage(text: Tensor, image: Tensor): Tensor {
  const stored = text.dtype === image.dtype ? text : cast(text, image.dtype);
  return text.dim(0) === image.dim(0) ? stored : broadcastTo(stored, [image.dim(0), text.dim(1), text.dim(2)]);
}
