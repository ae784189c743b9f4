/** A small SDXL folder, from the prompt and z to the picture and the gradient at z (python/reference/sdxl.py). */

import { FIXTURES, openFixture, type Values } from '../../../commands/parity/golden.ts';
import { mul, sum } from '../../../src/kernels/index.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import type { ComputeDType } from '../../../src/models/layers/half_precision.ts';
import { openPipeline, type PipelineOptions } from '../../../src/models/pipelines/index.ts';
import { StableDiffusionXLPipeline } from '../../../src/models/pipelines/stable_diffusion_xl.ts';
import { nodeFiles } from '../../../src/platform/node/files.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import { gradients } from '../../../src/tensor/vjp.ts';

/** The prompt of the fixture; the letters of its tokenizers are `!` to `F`. */
export const PROMPT = '4 CATS';

/** The generators of this class in the paper. */
export const GENERATORS: Readonly<Record<'turbo' | 'hyper', PipelineOptions>> = {
  turbo: {},
  hyper: { scheduler: 'LCMScheduler', timestep: 800 },
};

export interface TracedSDXL {
  readonly pipeline: StableDiffusionXLPipeline;
  readonly outputs: Readonly<Record<'embeds' | 'pooled' | 'image' | 'gradient', Tensor>>;
  /** Values of all graph inputs but the weights. */
  readonly feeds: ReadonlyMap<string, Float32Array | Int32Array>;
  readonly expected: Values & { readonly embeds: Float32Array; readonly pooled: Float32Array };
}

export async function tracedSDXL(
  name: keyof typeof GENERATORS,
  dtype: ComputeDType = 'f32',
  folder = `${FIXTURES}/pipeline_sdxl`,
): Promise<TracedSDXL> {
  const file = await openFixture('pipeline_sdxl/golden.safetensors');
  const graph = new Graph();
  const pipeline = await openPipeline(graph, nodeFiles(folder), { ...GENERATORS[name], dtype });
  if (!(pipeline instanceof StableDiffusionXLPipeline)) {
    throw new Error('the fixture is no StableDiffusionXLPipeline');
  }
  const z = graph.input('z', pipeline.latentShape(16, 24), 'step');
  const { promptEmbeds: embeds, textEmbeds: pooled } = pipeline.text.encode();
  const image = pipeline.generate(z);
  const [gradient = z] = gradients(sum(mul(image, graph.input('cotangent', image.shape, 'prompt'))), [z]);
  const feeds = new Map<string, Float32Array | Int32Array>(pipeline.promptValues(PROMPT));
  feeds.set('z', await readFloats(file, 'z')).set('cotangent', await readFloats(file, `${name}.cotangent`));
  const expected = {
    embeds: await readFloats(file, 'embeds'),
    pooled: await readFloats(file, 'pooled'),
    output: await readFloats(file, `${name}.image`),
    gradient: await readFloats(file, `${name}.gradient`),
  };
  return { pipeline, outputs: { embeds, pooled, image, gradient }, feeds, expected };
}
