/**
 * The compact spectrum of real noise, by matrix products. The discrete Fourier transform x̂ of N real values, scaled to keep the
 * norm, has N/2 complex values of its own: x̂₁ … x̂_{N/2−1}, and x̂₀ and x̂_{N/2}, which are real and together make
 * y₀ = (x̂₀ + i·x̂_{N/2})/√2. For white noise each |y_k|² has the mean 1. (arXiv 2602.08646.)
 *
 * The transform of N = rows · columns values is two transforms, of the rows and of the columns, with a rotation between them
 * (Cooley and Tukey, 1965): for 128 · 128 values six products with matrices of at most 128 · 128.
 */
import { add, affine, linear, matmul, mul, reshape, slice, sub, sum } from '../../kernels/index.ts';
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { sizeOf } from '../../tensor/types.ts';

/** Complex values. */
export interface Complex {
  readonly re: Tensor;
  readonly im: Tensor;
}

/** The tables of both directions for N values. */
interface Tables {
  readonly rows: number;
  readonly columns: number;
  /** The table of shape [rows, columns] with f(i, j) at row i and column j. */
  readonly of: (shape: readonly [number, number], f: (i: number, j: number) => number) => Tensor;
}

/** The most square rows · columns = n with an even number of columns. @throws Error when n is odd */
export function factors(n: number): readonly [rows: number, columns: number] {
  for (let rows = Math.floor(Math.sqrt(n)); rows > 0; rows--) {
    if (n % rows === 0 && (n / rows) % 2 === 0) {
      return [rows, n / rows];
    }
  }
  throw new Error(`a spectrum of ${n} values has no compact form: their number must be even`);
}

function tablesOf(graph: Graph, n: number): Tables {
  const [rows, columns] = factors(n);
  return {
    rows,
    columns,
    of: ([height, width], f) =>
      graph.constant(
        Float32Array.from({ length: height * width }, (_, i) => f(Math.floor(i / width), i % width)),
        [height, width],
      ),
  };
}

/** cos and sin of 2π·k/n. k is reduced first, so that large products lose no digits. */
const cosine = (k: number, n: number): number => Math.cos((2 * Math.PI * (k % n)) / n);
const sine = (k: number, n: number): number => Math.sin((2 * Math.PI * (k % n)) / n);

/** Returns the compact spectrum of all values of `x`, in the order of their frequencies: two tensors of N/2 values. */
export function compactSpectrum(x: Tensor): Complex {
  const n = sizeOf(x.shape);
  const { rows, columns, of } = tablesOf(x.graph, n);
  const half = columns / 2;
  const values = reshape(x, [rows, columns]);
  const re = matmul(
    of([rows, rows], (k, i) => cosine(k * i, rows)),
    values,
  );
  const im = matmul(
    of([rows, rows], (k, i) => -sine(k * i, rows)),
    values,
  );
  const [c, s] = [of([rows, columns], (k, j) => cosine(k * j, n)), of([rows, columns], (k, j) => -sine(k * j, n))];
  const turned = { re: sub(mul(re, c), mul(im, s)), im: add(mul(re, s), mul(im, c)) };
  // Row q of the result holds the frequencies q·rows to (q + 1)·rows − 1.
  const [cos, sin] = [
    of([half, columns], (q, j) => cosine(q * j, columns)),
    of([half, columns], (q, j) => sine(q * j, columns)),
  ];
  const spectrum = {
    re: add(linear(cos, turned.re), linear(sin, turned.im)),
    im: sub(linear(cos, turned.im), linear(sin, turned.re)),
  };
  const isFirst = (q: number, k: number): boolean => q === 0 && k === 0;
  const nyquist = sum(
    mul(
      values,
      of([rows, columns], (_, j) => (j % 2 === 0 ? 1 : -1)),
    ),
  );
  const own = of([half, rows], (q, k) => (isFirst(q, k) ? Math.SQRT1_2 : 1) / Math.sqrt(n));
  const first = of([half, rows], (q, k) => (isFirst(q, k) ? 1 / Math.sqrt(2 * n) : 0));
  return {
    re: reshape(mul(spectrum.re, own), [n / 2]),
    im: reshape(add(mul(spectrum.im, own), mul(first, nyquist)), [n / 2]),
  };
}

/** Returns the real values of shape `shape` that have this compact spectrum: the inverse of `compactSpectrum`. */
export function fromCompactSpectrum({ re, im }: Complex, shape: readonly number[]): Tensor {
  const n = sizeOf(shape);
  const { rows, columns, of } = tablesOf(re.graph, n);
  const half = columns / 2;
  const isFirst = (q: number, k: number): boolean => q === 0 && k === 0;
  const scale = 2 / Math.sqrt(n);
  const values = {
    re: mul(
      reshape(re, [half, rows]),
      of([half, rows], (q, k) => (isFirst(q, k) ? scale * Math.SQRT1_2 : scale)),
    ),
    im: mul(
      reshape(im, [half, rows]),
      of([half, rows], (q, k) => (isFirst(q, k) ? 0 : scale)),
    ),
  };
  const [cos, sin] = [
    of([columns, half], (j, q) => cosine(q * j, columns)),
    of([columns, half], (j, q) => sine(q * j, columns)),
  ];
  const made = {
    re: sub(matmul(cos, values.re), matmul(sin, values.im)),
    im: add(matmul(sin, values.re), matmul(cos, values.im)),
  };
  const [c, s] = [of([columns, rows], (j, k) => cosine(k * j, n)), of([columns, rows], (j, k) => sine(k * j, n))];
  const turned = { re: sub(mul(made.re, c), mul(made.im, s)), im: add(mul(made.re, s), mul(made.im, c)) };
  const whole = sub(
    linear(
      of([rows, rows], (i, k) => cosine(k * i, rows)),
      turned.re,
    ),
    linear(
      of([rows, rows], (i, k) => sine(k * i, rows)),
      turned.im,
    ),
  );
  const signs = of([rows, columns], (_, j) => (j % 2 === 0 ? 1 : -1));
  const nyquist = affine(slice(im, [0], [1]), Math.sqrt(2 / n));
  return reshape(add(whole, mul(signs, nyquist)), shape);
}
