/** diffusers' FluxPosEmbed: where tokens stand, as the angles of a rotary embedding with several axes. */
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { at } from '../../tensor/types.ts';

const THETA = 10000;

/** A place for each axis: FLUX has (0, row, column) for image tokens, and zeros for text. */
export type Position = readonly number[];

/**
 * The table of `rotaryEmbedding`, [tokens, Σ axesDims]: of each axis, dims/2 pairs of channels, the i-th of which turns by
 * place · 10000^(-2i/dims). Known when tracing, so in f64.
 */
export function rotaryTable(graph: Graph, positions: readonly Position[], axesDims: readonly number[]): Tensor {
  const values = positions.flatMap((position) =>
    axesDims.flatMap((dims, axis) =>
      Array.from({ length: dims / 2 }, (_, i) => {
        const angle = at(position, axis) * THETA ** ((-2 * i) / dims);
        return [Math.cos(angle), Math.sin(angle)];
      }).flat(),
    ),
  );
  return graph.constant(values, [positions.length, axesDims.reduce((n, dims) => n + dims, 0)]);
}

/** Positions of `rows` × `columns` image tokens, row by row (`_prepare_latent_image_ids`). */
export function imageIds(rows: number, columns: number): Position[] {
  return Array.from({ length: rows * columns }, (_, i) => [0, Math.floor(i / columns), i % columns]);
}

/** Positions of text tokens. */
export function textIds(tokens: number): Position[] {
  return Array.from({ length: tokens }, () => [0, 0, 0]);
}
