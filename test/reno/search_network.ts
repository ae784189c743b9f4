/** The small seeded network of python/reference/search_methods.py: noise [1,4,8,12] to 48 values of a picture, and two rewards. */
import { openFixture } from '../../commands/parity/golden.ts';
import {
  affine,
  div,
  linear,
  mean,
  mul,
  reshape,
  sigmoid,
  sqrt,
  square,
  sub,
  sum,
  tanh,
} from '../../src/kernels/index.ts';
import { readFloats } from '../../src/models/checkpoint/tensor_file.ts';
import type { RewardTerm } from '../../src/reno/loop/objective.ts';
import { buildStep, type StepConfig, type StepGraph } from '../../src/reno/loop/step_graph.ts';
import { Graph } from '../../src/tensor/graph.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';

export const NOISE_SHAPE = [1, 4, 8, 12];
export const NOISE_SIZE = 384;

const file = await openFixture('search_methods.safetensors');

/** Values that PyTorch gave. */
export const golden = (name: string): Promise<Float32Array> => readFloats(file, name);

const weights = {
  w1: await golden('w1'),
  w2: await golden('w2'),
  taste: await golden('taste'),
  noises: await golden('noises'),
};

/** Noise number `i`. */
export const noiseAt = (i: number): Float32Array => weights.noises.slice(i * NOISE_SIZE, (i + 1) * NOISE_SIZE);

/** The step of a method. @param more rewards beside the two */
export function seededStep(config: StepConfig, more: (image: Tensor) => RewardTerm[] = () => []): StepGraph {
  const graph = new Graph();
  const latents = graph.input('latents', NOISE_SHAPE, 'step');
  const hidden = tanh(
    affine(linear(reshape(latents, [1, NOISE_SIZE]), graph.constant(weights.w1, [48, NOISE_SIZE])), 3),
  );
  const values = sigmoid(linear(affine(hidden, 2), graph.constant(weights.w2, [48, 48])));
  const image = reshape(values, [1, 4, 4, 3]);
  const centred = sub(values, mean(values));
  const taste = graph.constant(weights.taste, [1, 48]);
  const norms = sqrt(mul(sum(square(centred)), sum(square(taste))));
  const cosine = div(sum(mul(centred, taste)), norms);
  const rewards = [
    { name: 'flat', weight: 2, loss: mean(square(affine(image, 1, -0.3))) },
    { name: 'cosine', weight: 5, loss: affine(cosine, -1, 1) },
    ...more(image),
  ];
  return buildStep({ latents, image, rewards }, config);
}
