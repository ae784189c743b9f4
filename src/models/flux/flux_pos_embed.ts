/**
 * Positions of tokens as the angles of a rotary embedding with several axes.
 * Source: diffusers/models/transformers/transformer_flux.py: FluxPosEmbed.
 */
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { at } from '../../tensor/types.ts';

const THETA = 10000;

/** A coordinate for each axis: (0, row, column) for image tokens, zeros for text. */
export type Position = readonly number[];

/**
 * Returns the table of `rotaryEmbedding`, [tokens, Σ axesDims]. Each axis has dims/2 pairs of channels; the i-th pair is
 * rotated by coordinate · 10000^(-2i/dims). The table is a constant of the graph, computed in f64.
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

/** Returns the positions of `rows` × `columns` image tokens, row by row. diffusers: `_prepare_latent_image_ids`. */
export function imageIds(rows: number, columns: number): Position[] {
  return Array.from({ length: rows * columns }, (_, i) => [0, Math.floor(i / columns), i % columns]);
}

/** Returns the positions of text tokens. */
export function textIds(tokens: number): Position[] {
  return Array.from({ length: tokens }, () => [0, 0, 0]);
}
