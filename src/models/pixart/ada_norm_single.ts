/**
 * diffusers' AdaLayerNormSingle (PixArt-α, 2310.00426, section 2.3): one embedding of the timestep modulates every block,
 * each with a table of its own added. The timestep is known when tracing, so all of it runs once, at load.
 */
import { add, concat, reshape, silu, slice } from '../../kernels/index.ts';
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { Linear } from '../layers/basic.ts';
import { TimestepEmbedding, timesteps } from '../layers/embeddings.ts';
import type { WeightStore } from '../weights/weight_store.ts';

/** Channels of the sinusoids, of timestep and conditions alike. */
const SINUSOIDS = 256;
const ORDER = { flip_sin_to_cos: true, freq_shift: 0 };

/** What models of sample_size 128 are told of the picture. */
export interface SizeConditions {
  /** Pixels. */
  readonly height: number;
  readonly width: number;
}

export interface Modulation {
  /** [6,D]: shift, scale and gate of attention, then of the feed-forward. */
  readonly blocks: Tensor;
  /** [1,D], the embedding itself. */
  readonly embedded: Tensor;
}

/** `emb.resolution_embedder` and `emb.aspect_ratio_embedder`, a third of the channels for each number. */
class SizeEmbedder {
  readonly resolution_embedder: TimestepEmbedding;
  readonly aspect_ratio_embedder: TimestepEmbedding;

  constructor(w: WeightStore, size: number) {
    this.resolution_embedder = new TimestepEmbedding(w.sub('resolution_embedder'), SINUSOIDS, size / 3);
    this.aspect_ratio_embedder = new TimestepEmbedding(w.sub('aspect_ratio_embedder'), SINUSOIDS, size / 3);
  }

  /** [1,D] */
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

  /** `conditions` are read only by models that have them. */
  forward(graph: Graph, timestep: number, conditions: SizeConditions): Modulation {
    const time = this.timestep_embedder.forward(timesteps(graph, timestep, SINUSOIDS, ORDER));
    const embedded = this.size_embedder ? add(time, this.size_embedder.forward(graph, conditions)) : time;
    return { blocks: reshape(this.linear.forward(silu(embedded)), [6, this.#size]), embedded };
  }
}

/** The rows of a table [R,D], each [D]. */
export function rowsOf(table: Tensor): Tensor[] {
  const [rows, size] = [table.dim(0), table.dim(1)];
  return Array.from({ length: rows }, (_, i) => reshape(slice(table, [i, 0], [1, size]), [size]));
}
