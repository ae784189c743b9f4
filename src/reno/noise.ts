/** The noise that ReNO starts from, and the fresh draws of image selection: one stream of the seed each. */
import { normals } from '../tensor/random.ts';
import type { Shape } from '../tensor/types.ts';
import { sizeOf } from '../tensor/types.ts';

/** Recorded in history.json, so that a noise can be made again elsewhere. */
export const NOISE_GENERATOR = 'philox4x32-10, box-muller, f32';

/**
 * Draw number `draw` of `seed`, row-major in `shape`. Draw 0 is what optimisation starts from, and also the first
 * candidate of image selection, so that both are compared from the same picture.
 * The reference draws f16 noise on CUDA, whose values cannot be had elsewhere; the distribution is the same.
 */
export function drawNoise(shape: Shape, seed: number, draw = 0): Float32Array<ArrayBuffer> {
  return normals(sizeOf(shape), seed, draw);
}
