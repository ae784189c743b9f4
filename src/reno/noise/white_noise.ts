/**
 * The projection on vectors that look like white noise, which preconditions gradients (arXiv 2602.08646). The compact spectrum is cut
 * into blocks of 16 frequencies, and in each block the magnitudes get the sum (√π/2)·16 and the sum of squares 16 that complex
 * white noise has on average; phases stay.
 */
import { add, affine, div, less, maximum, mul, reshape, sqrt, square, sub, sum } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { sizeOf } from '../../tensor/types.ts';
import { compactSpectrum, fromCompactSpectrum } from './spectrum.ts';

/** Frequencies of a block. */
export const BLOCK = 16;
/** The sum of a block's magnitudes. The sum of their squares is BLOCK. */
const MAGNITUDES = (Math.sqrt(Math.PI) / 2) * BLOCK;
/** Square of the sum, over the sum of squares. */
const RATIO = MAGNITUDES ** 2 / BLOCK;
/** At most 3 of 16 magnitudes can become 0 (RATIO is above 12), and each round but the last finds one of them. */
const ROUNDS = 4;
/** Keeps square roots and quotients finite. */
const TINY = 1e-20;

/** The number of values must be a multiple of this. */
const WHITE_NOISE_UNIT = 2 * BLOCK;

/**
 * Returns the nearest vector in the set to `x`, up to its length: the set holds vectors of one norm only, √N, and the result is the same for
 * every positive multiple of `x`. Zeros stay zeros. @throws Error when N is no multiple of 32
 */
export function whiteNoise(x: Tensor): Tensor {
  const n = sizeOf(x.shape);
  if (n % WHITE_NOISE_UNIT !== 0) {
    throw new Error(
      `noise of ${n} values cannot be projected on white noise: their number must be a multiple of ${WHITE_NOISE_UNIT}; take another --size`,
    );
  }
  const length = sqrt(affine(sum(square(x)), 1 / n, TINY ** 2));
  const { re, im } = compactSpectrum(div(x, length));
  const magnitude = reshape(sqrt(affine(add(square(re), square(im)), 1, TINY)), [n / WHITE_NOISE_UNIT, BLOCK]);
  const factor = reshape(div(projectedMagnitudes(magnitude), magnitude), [n / 2]);
  return fromCompactSpectrum({ re: mul(re, factor), im: mul(im, factor) }, x.shape);
}

/**
 * The nearest magnitudes of each row with the two sums: s·max(m − τ, 0). Among the d magnitudes that stay above 0, with mean μ and
 * variance V, the ratio of the sums gives μ − τ = √(RATIO·V / (d − RATIO)). Those at or below τ leave, and τ is computed again from
 * the others (as in the projection on sparse vectors: Thom and Palm, "Sparse activity and sparse connectivity in supervised learning", 2013).
 */
function projectedMagnitudes(m: Tensor): Tensor {
  const inRow = (values: Tensor): Tensor => sum(values, [1], true);
  let count = m.graph.scalar(BLOCK);
  let present: Tensor | null = null;
  let distance: Tensor = m;
  let threshold: Tensor = m;
  for (let round = 0; round < ROUNDS; round++) {
    const only = (values: Tensor): Tensor => (present ? mul(values, present) : values);
    const mean = div(inRow(only(m)), count);
    const variance = div(inRow(only(square(sub(m, mean)))), count);
    distance = sqrt(affine(div(affine(variance, RATIO), sub(count, RATIO)), 1, TINY));
    threshold = sub(mean, distance);
    if (round + 1 < ROUNDS) {
      present = only(less(threshold, m));
      count = inRow(present);
    }
  }
  return mul(maximum(sub(m, threshold), 0), div(MAGNITUDES, mul(distance, count)));
}
