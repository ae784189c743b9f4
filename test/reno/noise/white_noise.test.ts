/** The projection on white noise beside a plain f64 version: a Fourier transform by its definition, thresholds by bisection. */
import { describe, expect, it } from 'vitest';
import { cosine } from '../../../commands/common/distances.ts';
import { add, mul, sum } from '../../../src/kernels/index.ts';
import { drawNoise } from '../../../src/reno/noise/draw_noise.ts';
import { compactSpectrum, factors, fromCompactSpectrum } from '../../../src/reno/noise/spectrum.ts';
import { BLOCK, whiteNoise } from '../../../src/reno/noise/white_noise.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { interpret } from '../../../src/tensor/interpreter.ts';
import { at } from '../../../src/tensor/types.ts';
import { gradients } from '../../../src/tensor/vjp.ts';
import { golden, NOISE_SIZE, noiseAt } from '../search_network.ts';
import { plainSpectrum } from './plain_spectrum.ts';

const HALF_PI = Math.sqrt(Math.PI) / 2;

function plainInverse(y: readonly [number, number][]): Float64Array {
  const n = 2 * y.length;
  return Float64Array.from({ length: n }, (_, i) => {
    const [dc, nyquist] = at(y, 0);
    let value = Math.SQRT2 * (dc + (i % 2 === 0 ? nyquist : -nyquist));
    for (let k = 1; k < y.length; k++) {
      const angle = (2 * Math.PI * ((k * i) % n)) / n;
      const [re, im] = at(y, k);
      value += 2 * (re * Math.cos(angle) - im * Math.sin(angle));
    }
    return value / Math.sqrt(n);
  });
}

/** s·max(m − τ, 0) with the two sums, by bisection of the ratio of the sums. */
function plainMagnitudes(m: readonly number[]): number[] {
  const kept = (tau: number) => m.map((v) => Math.max(0, v - tau));
  const total = (values: readonly number[]) => values.reduce((s, v) => s + v, 0);
  const ratio = (values: readonly number[]) => total(values) ** 2 / total(values.map((v) => v * v));
  let [low, high] = [-1000 * Math.max(...m), Math.max(...m)];
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2;
    [low, high] = ratio(kept(middle)) > HALF_PI ** 2 * BLOCK ? [middle, high] : [low, middle];
  }
  const values = kept(low);
  return values.map((v) => (v * HALF_PI * BLOCK) / total(values));
}

function plainWhiteNoise(x: ArrayLike<number>): Float64Array {
  const y = plainSpectrum(x);
  const magnitudes = y.map(([re, im]) => Math.hypot(re, im));
  const made: [number, number][] = [];
  for (let from = 0; from < y.length; from += BLOCK) {
    const wanted = plainMagnitudes(magnitudes.slice(from, from + BLOCK));
    wanted.forEach((size, i) => {
      const [re, im] = at(y, from + i);
      const factor = size / at(magnitudes, from + i);
      made.push([re * factor, im * factor]);
    });
  }
  return plainInverse(made);
}

/** The same phase with a magnitude between 0.9 and 1.1: some of a block then become 0. */
function flat(re: number, im: number): [number, number] {
  const size = Math.hypot(re, im);
  const wanted = (0.9 + 0.2 * (size % 1)) / size;
  return [re * wanted, im * wanted];
}

function projected(x: ArrayLike<number>, shape: readonly number[] = [x.length]): Float64Array {
  const graph = new Graph();
  return at(interpret([whiteNoise(graph.input('x', shape, 'step'))], new Map([['x', x]])), 0);
}

const furthest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.max(...Array.from(a, (v, i) => Math.abs(v - at(b, i))));

describe('the compact spectrum', () => {
  it.each([32, 96, 384, 510, 1022])('of %d values is that of the definition, and goes back to the same values', (n) => {
    const x = drawNoise([n], 5);
    const graph = new Graph();
    const spectrum = compactSpectrum(graph.input('x', [n], 'step'));
    const back = fromCompactSpectrum(spectrum, [n]);
    const [re, im, again] = interpret([spectrum.re, spectrum.im, back], new Map([['x', x]]));
    const wanted = plainSpectrum(x);
    expect(
      furthest(
        re ?? [],
        wanted.map(([v]) => v),
      ),
    ).toBeLessThan(1e-6);
    expect(
      furthest(
        im ?? [],
        wanted.map(([, v]) => v),
      ),
    ).toBeLessThan(1e-6);
    expect(furthest(again ?? [], x)).toBeLessThan(1e-6);
  });

  it('has a transposed transform that is half of its inverse, so that it turns noise and does not bend it', () => {
    const graph = new Graph();
    const x = graph.input('x', [96], 'step');
    const { re, im } = compactSpectrum(x);
    const [a, b] = [graph.input('a', [48], 'step'), graph.input('b', [48], 'step')];
    const feeds = new Map([
      ['x', drawNoise([96], 1)],
      ['a', drawNoise([48], 2)],
      ['b', drawNoise([48], 3)],
    ]);
    const transposed = gradients(add(sum(mul(re, a)), sum(mul(im, b))), [x])[0];
    const inverse = fromCompactSpectrum({ re: a, im: b }, [96]);
    const [t, i] = interpret([transposed, inverse], feeds);
    expect(
      furthest(
        Float64Array.from(t ?? [], (v) => 2 * v),
        i ?? [],
      ),
    ).toBeLessThan(1e-6);
  });

  it('is computed by the most square pair of factors', () => {
    expect([factors(16384), factors(65536), factors(384), factors(34)].map(String)).toEqual([
      '128,128',
      '256,256',
      '16,24',
      '1,34',
    ]);
    expect(() => factors(33)).toThrow('a spectrum of 33 values has no compact form: their number must be even');
  });
});

describe('the projection on white noise', () => {
  const bent = (x: ArrayLike<number>): Float64Array =>
    Float64Array.from(x, (v, i) => 1e-5 * (v ** 3 + 2 * Math.cos(i / 3)));

  it.each([
    ['Gaussian noise', drawNoise([1024], 4)],
    ['a smooth gradient', bent(drawNoise([1024], 5))],
    ['noise with a flat spectrum', plainInverse(plainSpectrum(drawNoise([512], 6)).map(([a, b]) => flat(a, b)))],
  ])('is that of the plain version: %s', (_, x) => {
    expect(furthest(projected(x), plainWhiteNoise(x))).toBeLessThan(1e-5);
  });

  it('is that of PyTorch', async () => {
    const wanted = await golden('white');
    for (let i = 0; i < 8; i++) {
      expect(furthest(projected(noiseAt(i)), wanted.slice(i * NOISE_SIZE, (i + 1) * NOISE_SIZE))).toBeLessThan(1e-5);
    }
  });

  it('leaves Gaussian noise nearly where it is: a cosine of at least 0.98', () => {
    for (let seed = 0; seed < 8; seed++) {
      const x = drawNoise([1024], seed);
      expect(cosine(projected(x), x)).toBeGreaterThan(0.98);
    }
  });

  it('has the norm of white noise and the two sums in each block, whatever the length of what is projected', () => {
    const x = bent(drawNoise([1024], 8));
    const made = projected(x);
    expect(Math.hypot(...made)).toBeCloseTo(32, 4);
    const magnitudes = plainSpectrum(made).map(([re, im]) => Math.hypot(re, im));
    for (let from = 0; from < 512; from += BLOCK) {
      const block = magnitudes.slice(from, from + BLOCK);
      expect(block.reduce((s, v) => s + v, 0)).toBeCloseTo(HALF_PI * BLOCK, 4);
      expect(block.reduce((s, v) => s + v * v, 0)).toBeCloseTo(BLOCK, 4);
    }
    expect(furthest(projected(x.map((v) => 1e4 * v)), made)).toBeLessThan(1e-6);
    expect(furthest(projected(made), made)).toBeLessThan(1e-5);
  });

  it('makes nothing of nothing, and refuses a number of values that has no whole blocks', () => {
    expect(projected(new Float64Array(64))).toEqual(new Float64Array(64));
    expect(() => projected(new Float64Array(48))).toThrow(
      'noise of 48 values cannot be projected on white noise: their number must be a multiple of 32; take another --size',
    );
  });
});
