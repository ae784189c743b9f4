/** The regulariser by moments and power spectrum beside a plain f64 version, and the orders that it is computed in. */
import { describe, expect, it } from 'vitest';
import { cosine } from '../../../commands/common/distances.ts';
import { drawNoise } from '../../../src/reno/noise/draw_noise.ts';
import { gaussianity, reordered, writeOrder } from '../../../src/reno/noise/gaussianity.ts';
import { permutation } from '../../../src/reno/noise/permutation.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { interpret } from '../../../src/tensor/interpreter.ts';
import { at } from '../../../src/tensor/types.ts';
import { plainSpectrum } from './plain_spectrum.ts';

const meanOf = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;

/** The formula of the paper, term by term. */
function plainValue(noise: ArrayLike<number>, order: Int32Array): number {
  const x = Array.from(order, (from) => at(noise, from));
  const magnitudes = plainSpectrum(x).map(([re, im]) => Math.hypot(re, im));
  const blocks = Array.from({ length: magnitudes.length / 16 }, (_, b) => magnitudes.slice(16 * b, 16 * b + 16));
  const power = meanOf(blocks.map((block) => Math.abs(meanOf(block) - 0.875)));
  return Math.abs(meanOf(x)) + Math.abs(Math.sqrt(meanOf(x.map((v) => v * v))) - 1) + 25 * power;
}

/** Its gradient by central differences. */
function plainGradient(noise: Float64Array, order: Int32Array, step = 1e-5): Float64Array {
  const moved = (i: number, by: number): number => plainValue(noise.with(i, at(noise, i) + by), order);
  return noise.map((_, i) => (moved(i, step) - moved(i, -step)) / (2 * step));
}

/** The value, and the gradient of rewards with the regulariser's. */
function traced(noise: ArrayLike<number>, order: Int32Array, weight: number, rewards: ArrayLike<number>) {
  const graph = new Graph();
  const latents = graph.input('z', [1, 2, 4, 12], 'step');
  const { value, added } = gaussianity(latents, weight);
  const feeds = new Map<string, ArrayLike<number>>([
    ['z', noise],
    ['g', rewards],
  ]);
  writeOrder({ write: (name, values) => void feeds.set(name, values) }, order);
  const [v, g] = interpret([value, added(graph.input('g', latents.shape, 'step'))], feeds);
  return { value: at(v ?? [], 0), gradient: g ?? new Float64Array() };
}

const noise = Float64Array.from(drawNoise([96], 3), (v, i) => 1.2 * v + 0.5 * Math.cos(i / 2));
const order = permutation(96, 7, 4);
const rewards = drawNoise([96], 5);

describe('moments and power spectrum', () => {
  it('have the value of the plain version, times the weight', () => {
    expect(traced(noise, order, 1, rewards).value).toBeCloseTo(plainValue(noise, order), 6);
    expect(traced(noise, order, 0.3, rewards).value).toBeCloseTo(0.3 * plainValue(noise, order), 6);
    expect(plainValue(noise, permutation(96, 7, 5))).not.toBeCloseTo(plainValue(noise, order), 3);
  });

  it('have its gradient, with the weight times the length of that of the rewards', () => {
    const wanted = plainGradient(noise, order);
    const length = Math.hypot(...rewards);
    const own = traced(noise, order, 0.5, rewards).gradient.map((v, i) => v - at(rewards, i));
    expect(Math.hypot(...own)).toBeCloseTo(0.5 * length, 4);
    expect(cosine(own, wanted)).toBeGreaterThan(1 - 1e-8);
    expect([...traced(noise, order, 0, rewards).gradient]).toEqual([...rewards]);
  });

  it('are lowest near Gaussian noise', () => {
    const near = plainValue(drawNoise([512], 1), permutation(512, 1, 0));
    const longer = drawNoise([512], 1).map((v) => 1.5 * v);
    const pattern = Float64Array.from({ length: 512 }, (_, i) => (i % 2 === 0 ? 1 : -1));
    const inPlace = Int32Array.from({ length: 512 }, (_, i) => i);
    expect(plainValue(longer, permutation(512, 1, 0))).toBeGreaterThan(3 * near);
    expect(plainValue(pattern, inPlace)).toBeGreaterThan(3 * near);
  });

  it('refuse noise without whole blocks', () => {
    const latents = new Graph().input('z', [48], 'step');
    expect(() => gaussianity(latents, 1)).toThrow(
      'noise of 48 values has no whole blocks for --reg spectrum: their number must be a multiple of 32; take another --size, or --reg norm',
    );
  });
});

describe('the order of the values', () => {
  it('has each once, depends on seed and iteration, and is the same every time', () => {
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 96 }, (_, i) => i));
    expect(permutation(96, 7, 4)).toEqual(order);
    const others = [permutation(96, 7, 5), permutation(96, 8, 4), permutation(96, 2 ** 32 + 7, 4)];
    expect(others.every((other) => other.some((v, i) => v !== order[i]))).toBe(true);
    expect([...permutation(1, 0, 0)]).toEqual([0]);
  });

  it('puts each value everywhere alike', () => {
    const counts = new Float64Array(25);
    for (let stream = 0; stream < 5000; stream++) {
      permutation(5, 1, stream).forEach((value, place) => {
        counts[5 * place + value] = at(counts, 5 * place + value) + 1;
      });
    }
    // Counts of 1000 with a deviation of 28; the greatest of 25 stays below four of them.
    expect(Math.max(...counts.map((count) => Math.abs(count - 1000)))).toBeLessThan(4 * 28.3);
  });

  it('is written before each iteration, with its inverse', async () => {
    const written: [string, number[]][] = [];
    const runner = { write: (name: string, data: ArrayLike<number>) => void written.push([name, Array.from(data)]) };
    const search = reordered({ iterations: 3, noise: (i) => Float32Array.of(i) }, runner, [8], 2);
    expect(await search.noise(0, async () => [])).toEqual(Float32Array.of(0));
    await search.noise(1, async () => []);
    const [first, back, second] = written.map(([, values]) => values);
    expect(written.map(([name]) => name)).toEqual([
      'noise_order',
      'noise_order_inverse',
      'noise_order',
      'noise_order_inverse',
    ]);
    expect(first).toEqual([...permutation(8, 2, 0)]);
    expect(second).toEqual([...permutation(8, 2, 1)]);
    expect(first?.map((from) => at(back ?? [], from))).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });
});
