/** A small FLUX folder, from the prompt and packed noise to the picture and the gradient at the noise (python/reference/flux.py). */

import { FIXTURES, openFixture } from '../../../commands/parity/golden.ts';
import { mul, sum } from '../../../src/kernels/index.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import type { ComputeDType } from '../../../src/models/layers/half_precision.ts';
import { FluxPipeline } from '../../../src/models/pipelines/flux.ts';
import { openPipeline } from '../../../src/models/pipelines/index.ts';
import { nodeFiles } from '../../../src/platform/node/files.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import { gradients } from '../../../src/tensor/vjp.ts';

export interface TracedFlux {
  readonly pipeline: FluxPipeline;
  readonly outputs: Record<'context' | 'pooled' | 'image' | 'gradient', Tensor>;
  /** Values of all graph inputs but the weights. */
  readonly feeds: ReadonlyMap<string, Float32Array | Int32Array>;
  readonly expected: Readonly<Record<'context' | 'pooled' | 'image' | 'gradient', Float32Array>>;
}

export async function tracedFlux(dtype: ComputeDType): Promise<TracedFlux> {
  const file = await openFixture('flux_pipeline/golden.safetensors');
  const graph = new Graph();
  const pipeline = await openPipeline(graph, nodeFiles(`${FIXTURES}/flux_pipeline`), { dtype });
  if (!(pipeline instanceof FluxPipeline)) {
    throw new Error('the fixture is no FluxPipeline');
  }
  const z = graph.input('z', pipeline.latentShape(12, 16), 'step');
  const image = pipeline.generate(z);
  const { promptEmbeds: context, pooled } = pipeline.text.encode();
  const [gradient = z] = gradients(sum(mul(image, graph.input('cotangent', image.shape, 'prompt'))), [z]);
  const feeds = new Map<string, Float32Array | Int32Array>(pipeline.promptValues('A:cat'));
  feeds.set('z', await readFloats(file, 'z'));
  feeds.set('cotangent', await readFloats(file, 'cotangent'));
  const expected = {
    context: await readFloats(file, 'context'),
    pooled: await readFloats(file, 'pooled'),
    image: await readFloats(file, 'image'),
    gradient: await readFloats(file, 'gradient'),
  };
  return { pipeline, outputs: { context, pooled, image, gradient }, feeds, expected };
}
