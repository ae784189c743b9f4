/**
 * Patches of the latents as tokens, with sine and cosine positions (DiT, PixArt).
 * Source: diffusers/models/embeddings.py: PatchEmbed.
 */
import { add, reshape } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { Conv2d } from '../layers/basic.ts';
import type { WeightStore } from '../weights/weight_store.ts';

interface PatchEmbedConfig {
  readonly patch_size: number;
  readonly in_channels: number;
  readonly embed_dim: number;
  /** Side of the latents in training. The positions of any other grid cover the same range. */
  readonly sample_size: number;
  readonly interpolation_scale: number;
}

const MAX_PERIOD = 10000;

/**
 * Returns the positions of a grid of patches, row by row: [rows·columns, dim] in one list. The first half of the channels
 * encodes the column, the second half the row, each with sines before cosines. diffusers: `get_2d_sincos_pos_embed`.
 */
function sinCosPositions(dim: number, rows: number, columns: number, baseSize: number, scale: number): number[] {
  const quarter = dim / 4;
  const waves = (index: number, count: number): number[] => {
    const position = (index * baseSize) / count / scale;
    const angles = Array.from({ length: quarter }, (_, i) => position * MAX_PERIOD ** (-i / quarter));
    return [...angles.map(Math.sin), ...angles.map(Math.cos)];
  };
  return Array.from({ length: rows * columns }, (_, i) => {
    return [...waves(i % columns, columns), ...waves(Math.floor(i / columns), rows)];
  }).flat();
}

export class PatchEmbed {
  readonly #config: PatchEmbedConfig;
  readonly proj: Conv2d;

  constructor(w: WeightStore, config: PatchEmbedConfig) {
    const { in_channels, embed_dim, patch_size } = config;
    this.#config = config;
    this.proj = new Conv2d(w.sub('proj'), in_channels, embed_dim, patch_size, { stride: patch_size, padding: 0 });
  }

  /** Latents [N,H,W,C], sides multiples of the patch → tokens [N, H/p·W/p, embed_dim]. */
  forward(latents: Tensor): Tensor {
    const { embed_dim, sample_size, patch_size, interpolation_scale } = this.#config;
    const patches = this.proj.forward(latents);
    const [n, rows, columns] = [patches.dim(0), patches.dim(1), patches.dim(2)];
    const base = Math.floor(sample_size / patch_size);
    const positions = sinCosPositions(embed_dim, rows, columns, base, interpolation_scale);
    const tokens = reshape(patches, [n, rows * columns, embed_dim]);
    // The positions have the storage type of the tokens, as in diffusers: with f32 positions the sum and all blocks would be f32.
    return add(tokens, latents.graph.constant(positions, [1, rows * columns, embed_dim], tokens.dtype));
  }
}
