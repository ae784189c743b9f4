/** A small generator folder, from token ids and z to the picture and the gradient at z (python/reference/networks.py). */

import { FIXTURES, openFixture, type Values } from '../../../commands/parity/golden.ts';
import { mul, sum } from '../../../src/kernels/index.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import { openPipeline } from '../../../src/models/pipelines/index.ts';
import { StableDiffusionPipeline } from '../../../src/models/pipelines/stable_diffusion.ts';
import { nodeFiles } from '../../../src/platform/node/files.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import { gradients } from '../../../src/tensor/vjp.ts';

export interface TracedPipeline {
  readonly pipeline: StableDiffusionPipeline;
  readonly context: Tensor;
  readonly image: Tensor;
  readonly gradient: Tensor;
  /** Values of all graph inputs but the weights. */
  readonly feeds: ReadonlyMap<string, Float32Array>;
  readonly expected: Values & { readonly context: Float32Array };
}

export async function tracedPipeline(): Promise<TracedPipeline> {
  const file = await openFixture('pipeline/golden.safetensors');
  const graph = new Graph();
  const pipeline = await openPipeline(graph, nodeFiles(`${FIXTURES}/pipeline`));
  if (!(pipeline instanceof StableDiffusionPipeline)) {
    throw new Error('the fixture is no StableDiffusionPipeline');
  }
  const z = graph.input('z', pipeline.latentShape(16, 24), 'step');
  const context = pipeline.encodePrompt();
  const image = pipeline.generate(z);
  const [gradient = z] = gradients(sum(mul(image, graph.input('cotangent', image.shape, 'prompt'))), [z]);
  const feeds = new Map<string, Float32Array>();
  for (const [name, stored] of Object.entries({ z: 'z', 'generator.prompt_ids': 'ids', cotangent: 'cotangent' })) {
    feeds.set(name, await readFloats(file, stored));
  }
  const expected = {
    context: await readFloats(file, 'context'),
    output: await readFloats(file, 'image'),
    gradient: await readFloats(file, 'gradient'),
  };
  return { pipeline, context, image, gradient, feeds, expected };
}
