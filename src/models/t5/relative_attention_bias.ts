/**
 * T5's position bias: a learned number for each head and each bucket of distances between query and key.
 * Source: `compute_bias` in transformers/models/t5/modeling_t5.py: T5Attention.
 */
import { embedding, transpose } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { WeightStore } from '../weights/weight_store.ts';

interface RelativeAttentionConfig {
  readonly num_heads: number;
  readonly relative_attention_num_buckets: number;
  readonly relative_attention_max_distance: number;
}

/**
 * Returns the bucket of a distance (key minus query). Each direction has half of the buckets: one for each small distance,
 * then logarithmically wider ones up to `relative_attention_max_distance`. Rounds as transformers' f32 arithmetic does,
 * since the rounding decides where a bucket ends.
 */
export function relativePositionBucket(distance: number, config: RelativeAttentionConfig): number {
  const half = Math.floor(config.relative_attention_num_buckets / 2);
  const exact = Math.floor(half / 2);
  const n = Math.abs(distance);
  const start = distance > 0 ? half : 0;
  if (n < exact) {
    return start + n;
  }
  const { fround, log } = Math;
  const octaves = fround(fround(log(fround(n / exact))) / fround(log(config.relative_attention_max_distance / exact)));
  return start + Math.min(exact + Math.trunc(fround(octaves * (half - exact))), half - 1);
}

export class RelativeAttentionBias {
  readonly #config: RelativeAttentionConfig;
  readonly weight: Tensor;

  constructor(w: WeightStore, config: RelativeAttentionConfig) {
    this.#config = config;
    this.weight = w.get('weight', [config.relative_attention_num_buckets, config.num_heads]);
  }

  /** Returns the bias for the scores of `tokens` queries and keys, [heads,T,T]. It depends on weights alone. */
  forward(tokens: number): Tensor {
    const buckets = Array.from({ length: tokens * tokens }, (_, i) => {
      return relativePositionBucket((i % tokens) - Math.floor(i / tokens), this.#config);
    });
    const ids = this.weight.graph.constant(buckets, [tokens, tokens], 'i32');
    return transpose(embedding(this.weight, ids), [2, 0, 1]);
  }
}
