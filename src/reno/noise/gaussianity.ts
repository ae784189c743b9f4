/**
 * The regulariser by moments and power spectrum (Hwang, Kim and Sung, "Moment- and Power-Spectrum-Based Gaussianity Regularization
 * for Text-to-Image Models", NeurIPS 2025, arXiv 2509.07027). Of N values x in a random order it is
 *
 *     |mean(x)| + |√mean(x²) − 1| + 25·mean over blocks of |mean of 16 magnitudes |y_k| − 0.875|
 *
 * where y is the compact spectrum of x. The first two terms hold mean and length, as the norm's regulariser does; the third refuses patterns.
 */
import {
  abs,
  add,
  affine,
  div,
  embedding,
  mean,
  mul,
  type Operand,
  reshape,
  sqrt,
  square,
  sum,
} from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import { sizeOf } from '../../tensor/types.ts';
import { gradients } from '../../tensor/vjp.ts';
import type { Search, StepRunner } from '../loop/loop.ts';
import { scaled } from '../loop/scaled.ts';
import { permutation } from './permutation.ts';
import { compactSpectrum } from './spectrum.ts';

/** The weight of the power spectrum beside the moments. */
const POWER_WEIGHT = 25;
/** Frequencies whose magnitudes are averaged. */
const BLOCK = 16;
/** The mean magnitude that the paper asks for. That of complex white noise is √π/2 = 0.886. */
const MEAN_MAGNITUDE = 0.875;
/** Keeps the derivative of a square root finite. */
const TINY = 1e-20;

/** The graph inputs with the order of the values: x_i is value number order_i of the noise, and the inverse of that. */
const ORDER = 'noise_order';
const INVERSE = 'noise_order_inverse';

/** The regulariser of a step. */
export interface Regularised {
  /** The weighted value, of shape []. */
  readonly value: Tensor;
  /** Returns the gradient of the rewards plus that of the regulariser, which is first given weight times the norm of the former. */
  readonly added: (gradient: Tensor) => Tensor;
}

/** Traces the regulariser. @throws Error, one sentence, when the number of values is no multiple of 32 */
export function gaussianity(latents: Tensor, weight: Operand): Regularised {
  const n = sizeOf(latents.shape);
  if (n % (2 * BLOCK) !== 0) {
    throw new Error(
      `noise of ${n} values has no whole blocks for --reg spectrum: their number must be a multiple of ${2 * BLOCK}; take another --size, or --reg norm`,
    );
  }
  const ordered = (values: Tensor, input: string): Tensor =>
    embedding(reshape(values, [n, 1]), latents.graph.input(input, [n], 'step', 'i32'));
  const x = reshape(ordered(latents, ORDER), [n]);
  const { re, im } = compactSpectrum(x);
  const magnitudes = reshape(sqrt(affine(add(square(re), square(im)), 1, TINY)), [n / 2 / BLOCK, BLOCK]);
  const power = mean(abs(affine(mean(magnitudes, [1]), 1, -MEAN_MAGNITUDE)));
  const moments = add(abs(mean(x)), abs(affine(sqrt(mean(square(x))), 1, -1)));
  const value = add(moments, affine(power, POWER_WEIGHT));
  const [ofOrdered] = gradients(value, [x]);
  const own = reshape(ordered(ofOrdered, INVERSE), latents.shape);
  const norm = (g: Tensor): Tensor => sqrt(affine(sum(square(g)), 1, TINY));
  return {
    value: scaled(value, weight),
    added: (gradient) => add(gradient, mul(own, scaled(div(norm(gradient), norm(own)), weight))),
  };
}

/** Returns a search whose iterations each have another order of the values, which the seed and the iteration decide. */
export function reordered(search: Search, runner: Pick<StepRunner, 'write'>, shape: Shape, seed: number): Search {
  const n = sizeOf(shape);
  return {
    ...search,
    noise: (iteration, past) => {
      writeOrder(runner, permutation(n, seed, iteration));
      return search.noise(iteration, past);
    },
  };
}

/** Writes the order of the next iteration. @param order each of 0 … N − 1 once */
export function writeOrder(runner: Pick<StepRunner, 'write'>, order: Int32Array): void {
  const inverse = new Int32Array(order.length);
  order.forEach((from, i) => {
    inverse[from] = i;
  });
  runner.write(ORDER, order);
  runner.write(INVERSE, inverse);
}
