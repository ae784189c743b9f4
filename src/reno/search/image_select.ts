/** The noise of each iteration: fresh draws for best-of-N, or one draw that the optimiser changes. */
import type { Shape } from '../../tensor/types.ts';
import type { LoopOptions } from '../loop/loop.ts';
import { drawNoise, type NoiseSource, noiseDraws } from '../noise/draw_noise.ts';

/** Noise for `runLoop` over a step graph of kind `score`: iteration i tries draw `start` + i of the seed. */
export function freshNoise(shape: Shape, seed: number, source: NoiseSource = 'reno', start = 0): LoopOptions['noise'] {
  const draws = noiseDraws(shape, seed, source);
  return (iteration) => draws(start + iteration);
}

/** Noise for optimisation: draw `start`, which the optimiser changes from then on. */
export function optimisedNoise(
  shape: Shape,
  seed: number,
  source: NoiseSource = 'reno',
  start = 0,
): LoopOptions['noise'] {
  return (iteration) => (iteration === 0 ? drawNoise(shape, seed, start, source) : null);
}
