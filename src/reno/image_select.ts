/** Best-of-N: the same rewards and the same choice of the best, over fresh noise instead of optimised noise. */
import type { Shape } from '../tensor/types.ts';
import type { LoopOptions } from './loop.ts';
import { drawNoise } from './noise.ts';

/** Noise for `runLoop` over a step graph of kind `score`: iteration i tries draw i of the seed. */
export function freshNoise(shape: Shape, seed: number): LoopOptions['noise'] {
  return (iteration) => drawNoise(shape, seed, iteration);
}

/** Noise for optimisation: draw 0, and from then on what the optimiser makes of it. */
export function optimisedNoise(shape: Shape, seed: number): LoopOptions['noise'] {
  return (iteration) => (iteration === 0 ? drawNoise(shape, seed) : null);
}
