/** A small PixArt-α folder, from the prompt and z to the picture and the gradient at z (python/reference/pixart.py). */

import { FIXTURES, openFixture, type Values } from '../../../commands/parity/golden.ts';
import { mul, sum } from '../../../src/kernels/index.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import type { ComputeDType } from '../../../src/models/layers/half_precision.ts';
import { openPipeline } from '../../../src/models/pipelines/index.ts';
import { PixArtAlphaPipeline } from '../../../src/models/pipelines/pixart_alpha.ts';
import { nodeFiles } from '../../../src/platform/node/files.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import { gradients } from '../../../src/tensor/vjp.ts';

export interface TracedPixArt {
  readonly pipeline: PixArtAlphaPipeline;
  readonly outputs: Readonly<Record<'context' | 'image' | 'gradient', Tensor>>;
  /** Values of all graph inputs but the weights. */
  readonly feeds: ReadonlyMap<string, Float32Array | Int32Array>;
  readonly expected: Values & Readonly<Record<'ids' | 'mask' | 'context', Float32Array>>;
}

export async function tracedPixArt(dtype: ComputeDType = 'f32'): Promise<TracedPixArt> {
  const file = await openFixture('pipeline_pixart/golden.safetensors');
  const graph = new Graph();
  const pipeline = await openPipeline(graph, nodeFiles(`${FIXTURES}/pipeline_pixart`), { dtype });
  if (!(pipeline instanceof PixArtAlphaPipeline)) {
    throw new Error('the fixture is no PixArtAlphaPipeline');
  }
  const z = graph.input('z', pipeline.latentShape(16, 24), 'step');
  const context = pipeline.encodePrompt();
  const image = pipeline.generate(z);
  const [gradient = z] = gradients(sum(mul(image, graph.input('cotangent', image.shape, 'prompt'))), [z]);
  const feeds = new Map<string, Float32Array | Int32Array>(pipeline.promptValues(file.metadata.prompt ?? ''));
  feeds.set('z', await readFloats(file, 'z')).set('cotangent', await readFloats(file, 'cotangent'));
  const expected = {
    ids: await readFloats(file, 'ids'),
    mask: await readFloats(file, 'mask'),
    context: await readFloats(file, 'context'),
    output: await readFloats(file, 'image'),
    gradient: await readFloats(file, 'gradient'),
  };
  return { pipeline, outputs: { context, image, gradient }, feeds, expected };
}
