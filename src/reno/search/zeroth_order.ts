/**
 * Search without a gradient, after ZeNO (Kim et al., "Gradient-Free Noise Optimization for Reward Alignment in Generative Models",
 * arXiv 2605.11347): noises around a centre are judged, and the centre moves along a step of an Ornstein–Uhlenbeck process whose noise is
 * the mean of theirs, weighted by their losses. Only forward passes run, so rewards need no gradient.
 */
import { at } from '../../tensor/types.ts';
import type { Search } from '../loop/loop.ts';

/** The size of a search without a gradient. */
export interface ZerothOrder {
  /** Pictures in all: the first noise, and then the noises around the centre. */
  readonly iterations: number;
  /** Noises of a round, an even number: each draw ε is tried as +ε and −ε. */
  readonly samples: number;
  /** σ, the share of fresh noise in each: √(1 − σ²)·z + σ·ε. */
  readonly radius: number;
}

/** Weights are e^(−loss / (this · standard deviation of the round's losses)). */
const TEMPERATURE = 0.5;

/**
 * The centre after a round. The weighted sum of the draws, each with the weight of +ε less that of −ε, is divided by the norm of
 * these weights: it has the variance of one draw, and the centre stays as long as one. @param losses of each sample @param noises of each sample, ε with its sign
 */
export function nextCentre(
  centre: ArrayLike<number>,
  noises: readonly ArrayLike<number>[],
  losses: readonly number[],
  radius: number,
): Float64Array {
  const mean = losses.reduce((s, v) => s + v, 0) / losses.length;
  const deviation = Math.sqrt(losses.reduce((s, v) => s + (v - mean) ** 2, 0) / losses.length);
  const lowest = Math.min(...losses);
  // Equal losses get equal weights.
  const raw = losses.map((v) => (deviation > 0 ? Math.exp((lowest - v) / (TEMPERATURE * deviation)) : 1));
  const norm = Math.hypot(...signedWeights(raw));
  const kept = Math.sqrt(1 - radius ** 2);
  return Float64Array.from(centre, (z, i) => {
    const moved = noises.reduce((s, noise, j) => s + at(raw, j) * at(noise, i), 0);
    return kept * z + (norm > 0 ? (radius * moved) / norm : 0);
  });
}

/** The weight of each draw: that of +ε less that of −ε. */
function signedWeights(weights: readonly number[]): number[] {
  return weights.flatMap((weight, j) => (j % 2 === 0 ? [weight - at(weights, j + 1)] : []));
}

/** The search as the loop runs it, over a graph that only scores. @param noise the noise of each draw of the seed @param first the draw of the first noise */
export function zerothOrder(
  { iterations, samples, radius }: ZerothOrder,
  noise: (draw: number) => Float32Array,
  first = 0,
): Search {
  const kept = Math.sqrt(1 - radius ** 2);
  let centre: ArrayLike<number> = [];
  /** Rounds whose losses the centre knows. */
  let known = 0;
  const sampleOf = (round: number, j: number): Float64Array => {
    const draw = noise(first + 1 + (round * samples) / 2 + Math.floor(j / 2));
    return Float64Array.from(draw, (v) => (j % 2 === 0 ? v : -v));
  };
  return {
    iterations,
    noise: async (iteration, past) => {
      if (centre.length === 0) {
        centre = noise(first);
      }
      if (iteration === 0) {
        return Float32Array.from(centre);
      }
      const [round, j] = [Math.floor((iteration - 1) / samples), (iteration - 1) % samples];
      if (known < round) {
        const records = await past();
        if (records.length < iteration) {
          return 'done';
        }
        for (; known < round; known++) {
          const from = 1 + known * samples;
          const losses = records.slice(from, from + samples).map(({ total }) => total);
          const noises = losses.map((_, i) => sampleOf(known, i));
          centre = nextCentre(centre, noises, losses, radius);
        }
      }
      const fresh = sampleOf(round, j);
      return Float32Array.from(centre, (z, i) => kept * z + radius * at(fresh, i));
    },
  };
}
