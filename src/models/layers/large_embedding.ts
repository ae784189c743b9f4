/** A table of embeddings that may be larger than one storage binding: T5's is 32128×4096, 251 MiB in f16. */
import { cast, clamp, embedding, less, reshape, select, sub } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { WeightStore } from '../weights/weight_store.ts';

/** The storage binding that every WebGPU adapter has (maxStorageBufferBindingSize). */
export const BINDING_BYTES = 128 * 2 ** 20;

export class LargeEmbedding {
  /** The rows in order, in as many pieces as bindings need. */
  readonly pieces: readonly Tensor[];

  /** Reads `weight` [rows, width]. `bytes`: the most that one piece may have. */
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
    // Each piece is asked for all ids, clamped into it; the first that ends after an id has it. f32 holds ids exactly.
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
