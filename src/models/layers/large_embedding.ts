/**
 * A table of embeddings that may be larger than one storage binding: T5's is 32128×4096, 251 MiB in f16.
 * Source: torch/nn/modules/sparse.py: Embedding.
 */
import { cast, clamp, embedding, less, reshape, select, sub } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { WeightStore } from '../weights/weight_store.ts';

/** Size of a storage binding that every WebGPU adapter allows (maxStorageBufferBindingSize), in bytes. */
export const BINDING_BYTES = 128 * 2 ** 20;

export class LargeEmbedding {
  /** The table's rows in order, cut into pieces of at most one binding. */
  readonly pieces: readonly Tensor[];

  /** Reads `weight` [rows, width]. @param bytes the largest size of a piece */
  constructor(w: WeightStore, rows: number, width: number, bytes = BINDING_BYTES) {
    this.pieces = w.getRows('weight', [rows, width], bytes);
  }

  /** ids i32 [...] → [..., width], f32. */
  forward(ids: Tensor): Tensor {
    const [first, ...others] = this.pieces;
    if (!first) {
      throw new Error('an embedding needs at least one row');
    }
    if (others.length === 0) {
      return embedding(first, ids);
    }
    // Every piece looks up all ids, clamped to its rows; the first piece that ends after an id has the right row. f32 holds ids exactly.
    const wanted = cast(ids, 'f32');
    const rowsAt = (piece: Tensor, start: number): Tensor =>
      embedding(piece, cast(clamp(sub(wanted, start), 0, piece.dim(0) - 1), 'i32'));
    let start = first.dim(0);
    let found = rowsAt(first, 0);
    for (const piece of others) {
      const before = reshape(less(wanted, start), [...ids.shape, 1]);
      found = select(before, found, rowsAt(piece, start));
      start += piece.dim(0);
    }
    return found;
  }
}
