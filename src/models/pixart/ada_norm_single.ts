/**
 * One embedding of the timestep modulates every block; each block adds a table of its own (PixArt-α, arXiv 2310.00426,
 * section 2.3). The timestep is a constant of the graph, so all of it runs once, at load.
 * Source: diffusers/models/normalization.py: AdaLayerNormSingle.
 */
import { add, concat, reshape, silu, slice } from '../../kernels/index.ts';
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { Linear } from '../layers/basic.ts';
import { TimestepEmbedding, timesteps } from '../layers/embeddings.ts';
import type { WeightStore } from '../weights/weight_store.ts';

/** Number of sinusoids, for the timestep and for each size. */
const SINUSOIDS = 256;
const ORDER = { flip_sin_to_cos: true, freq_shift: 0 };

/** Size of the picture, which models of sample_size 128 take. */
interface SizeConditions {
  /** Pixels. */
  readonly height: number;
  readonly width: number;
}

interface Modulation {
  /** [6,D]: shift, scale and gate of the attention, then of the feed-forward. */
  readonly blocks: Tensor;
  /** [1,D]: the embedding itself. */
  readonly embedded: Tensor;
}

/**
 * `emb.resolution_embedder` and `emb.aspect_ratio_embedder`: a third of the channels each for height, width and their ratio.
 * Source: diffusers/models/embeddings.py: PixArtAlphaCombinedTimestepSizeEmbeddings.
 */
class SizeEmbedder {
  readonly resolution_embedder: TimestepEmbedding;
  readonly aspect_ratio_embedder: TimestepEmbedding;

  constructor(w: WeightStore, size: number) {
    this.resolution_embedder = new TimestepEmbedding(w.sub('resolution_embedder'), SINUSOIDS, size / 3);
    this.aspect_ratio_embedder = new TimestepEmbedding(w.sub('aspect_ratio_embedder'), SINUSOIDS, size / 3);
  }

  /** Returns the embedding of the size, [1,D]. */
  forward(graph: Graph, { height, width }: SizeConditions): Tensor {
    const embed = (value: number, by: TimestepEmbedding): Tensor =>
      by.forward(timesteps(graph, value, SINUSOIDS, ORDER));
    const resolution = [height, width].map((side) => embed(side, this.resolution_embedder));
    return concat([...resolution, embed(height / width, this.aspect_ratio_embedder)], 1);
  }
}

export class AdaLayerNormSingle {
  readonly timestep_embedder: TimestepEmbedding;
  readonly size_embedder: SizeEmbedder | null;
  readonly linear: Linear;
  readonly #size: number;

  constructor(w: WeightStore, size: number, useAdditionalConditions: boolean) {
    const emb = w.sub('emb');
    this.#size = size;
    this.timestep_embedder = new TimestepEmbedding(emb.sub('timestep_embedder'), SINUSOIDS, size);
    this.size_embedder = useAdditionalConditions ? new SizeEmbedder(emb, size) : null;
    this.linear = new Linear(w.sub('linear'), size, 6 * size);
  }

  /** @param conditions read only by models with `use_additional_conditions` */
  forward(graph: Graph, timestep: number, conditions: SizeConditions): Modulation {
    const time = this.timestep_embedder.forward(timesteps(graph, timestep, SINUSOIDS, ORDER));
    const embedded = this.size_embedder ? add(time, this.size_embedder.forward(graph, conditions)) : time;
    return { blocks: reshape(this.linear.forward(silu(embedded)), [6, this.#size]), embedded };
  }
}

/** Splits a table [R,D] into its rows, each [D]. */
export function rowsOf(table: Tensor): Tensor[] {
  const [rows, size] = [table.dim(0), table.dim(1)];
  return Array.from({ length: rows }, (_, i) => reshape(slice(table, [i, 0], [1, size]), [size]));
}
