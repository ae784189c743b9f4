/** Traces the small generator folders of parity/ from the prompt and z to the picture and the gradient at z. */
import { FIXTURES, openFixture, type Values } from '../../../commands/parity/golden.ts';
import { mul, sum } from '../../../src/kernels/index.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import type { ComputeDType } from '../../../src/models/layers/half_precision.ts';
import { FluxPipeline } from '../../../src/models/pipelines/flux.ts';
import { openPipeline, type PipelineOptions, type TextToImagePipeline } from '../../../src/models/pipelines/index.ts';
import { PixArtAlphaPipeline } from '../../../src/models/pipelines/pixart_alpha.ts';
import { StableDiffusionPipeline } from '../../../src/models/pipelines/stable_diffusion.ts';
import { StableDiffusionXLPipeline } from '../../../src/models/pipelines/stable_diffusion_xl.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import { gradients } from '../../../src/tensor/vjp.ts';

/** @typeParam K names of the text features */
export interface TracedPipeline<K extends string, P = TextToImagePipeline> {
  readonly pipeline: P;
  readonly outputs: Readonly<Record<K | 'image' | 'gradient', Tensor>>;
  /** Values of all graph inputs but the weights. */
  readonly feeds: ReadonlyMap<string, Float32Array | Int32Array>;
  /** PyTorch's results; `output` is the picture. */
  readonly expected: Values & Readonly<Record<K, Float32Array>>;
}

interface PipelineCase<K extends string, P> {
  /** Folder in parity/, with its golden.safetensors. */
  readonly name: string;
  readonly isOfClass: (pipeline: TextToImagePipeline) => pipeline is P & TextToImagePipeline;
  readonly height: number;
  readonly width: number;
  /** Absent: the golden file's `ids` are the prompt. */
  readonly prompt?: string;
  readonly features: (pipeline: P) => Readonly<Record<K, Tensor>>;
}

interface Options extends PipelineOptions {
  /** Another folder in place of the case's own. */
  readonly folder?: string;
  /** Prefix of `image`, `gradient` and `cotangent` in the golden file. */
  readonly prefix?: string;
}

async function traced<K extends string, P>(
  { name, isOfClass, height, width, prompt, features }: PipelineCase<K, P>,
  { folder = `${FIXTURES}/${name}`, prefix = '', ...options }: Options = {},
): Promise<TracedPipeline<K, P>> {
  const file = await openFixture(`${name}/golden.safetensors`);
  const graph = new Graph();
  const pipeline = await openPipeline(graph, nodeFiles(folder), options);
  if (!isOfClass(pipeline)) {
    throw new Error(`parity/${name} holds a pipeline of another class`);
  }
  const z = graph.input('z', pipeline.latentShape(height, width), 'step');
  const text = features(pipeline);
  const image = pipeline.generate(z);
  const [gradient = z] = gradients(sum(mul(image, graph.input('cotangent', image.shape, 'prompt'))), [z]);

  const feeds = new Map<string, Float32Array | Int32Array>(prompt === undefined ? [] : pipeline.promptValues(prompt));
  if (prompt === undefined) {
    feeds.set('generator.prompt_ids', await readFloats(file, 'ids'));
  }
  feeds.set('z', await readFloats(file, 'z')).set('cotangent', await readFloats(file, `${prefix}cotangent`));

  const expected: Record<string, Float32Array> = {};
  for (const feature of Object.keys(text)) {
    expected[feature] = await readFloats(file, feature);
  }
  expected.output = await readFloats(file, `${prefix}image`);
  expected.gradient = await readFloats(file, `${prefix}gradient`);
  return {
    pipeline,
    outputs: { ...text, image, gradient },
    feeds,
    expected: expected as Record<K | 'output' | 'gradient', Float32Array>,
  };
}

/** Stable Diffusion (python/reference/networks.py). */
export function tracedSD(): Promise<TracedPipeline<'context', StableDiffusionPipeline>> {
  return traced({
    name: 'pipeline',
    isOfClass: (p): p is StableDiffusionPipeline => p instanceof StableDiffusionPipeline,
    height: 16,
    width: 24,
    features: (p) => ({ context: p.encodePrompt() }),
  });
}

/** The prompt of the SDXL folder; the letters of its tokenizers are `!` to `F`. */
export const SDXL_PROMPT = '4 CATS';

/** The generators of the paper that are of SDXL's class. */
const SDXL_GENERATORS: Readonly<Record<'turbo' | 'hyper', PipelineOptions>> = {
  turbo: {},
  hyper: { scheduler: 'LCMScheduler', timestep: 800 },
};

/** SDXL (python/reference/sdxl.py). @param folder another folder in place of parity/pipeline_sdxl */
export function tracedSDXL(
  name: keyof typeof SDXL_GENERATORS,
  dtype: ComputeDType = 'f32',
  folder?: string,
): Promise<TracedPipeline<'embeds' | 'pooled', StableDiffusionXLPipeline>> {
  const options = { ...SDXL_GENERATORS[name], dtype, prefix: `${name}.`, ...(folder ? { folder } : {}) };
  return traced(
    {
      name: 'pipeline_sdxl',
      isOfClass: (p): p is StableDiffusionXLPipeline => p instanceof StableDiffusionXLPipeline,
      height: 16,
      width: 24,
      prompt: SDXL_PROMPT,
      features: (p) => {
        const { promptEmbeds: embeds, textEmbeds: pooled } = p.text.encode();
        return { embeds, pooled };
      },
    },
    options,
  );
}

/** PixArt-α (python/reference/pixart.py). */
export async function tracedPixArt(
  dtype: ComputeDType = 'f32',
): Promise<TracedPipeline<'context', PixArtAlphaPipeline>> {
  const { metadata } = await openFixture('pipeline_pixart/golden.safetensors');
  return traced(
    {
      name: 'pipeline_pixart',
      isOfClass: (p): p is PixArtAlphaPipeline => p instanceof PixArtAlphaPipeline,
      height: 16,
      width: 24,
      prompt: metadata.prompt ?? '',
      features: (p) => ({ context: p.encodePrompt() }),
    },
    { dtype },
  );
}

/** FLUX, whose z is packed noise (python/reference/flux.py). */
export function tracedFlux(dtype: ComputeDType): Promise<TracedPipeline<'context' | 'pooled', FluxPipeline>> {
  return traced(
    {
      name: 'flux_pipeline',
      isOfClass: (p): p is FluxPipeline => p instanceof FluxPipeline,
      height: 12,
      width: 16,
      prompt: 'A:cat',
      features: (p) => {
        const { promptEmbeds: context, pooled } = p.text.encode();
        return { context, pooled };
      },
    },
    { dtype },
  );
}

interface PipelineBounds {
  readonly trace: (dtype: ComputeDType) => Promise<AnyTracedPipeline>;
  /** Bound of the text features' NMSE. */
  readonly features: number;
  /** Bound of picture and gradient in f32, where it is not `expectClose`'s own. */
  readonly bound?: number;
  /** Bound of the picture's NMSE with activations in f16, beside those of `holds`. */
  readonly half?: number;
}

type AnyTracedPipeline = Pick<TracedPipeline<never>, 'pipeline' | 'feeds'> & {
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly expected: Values;
};

/** Every kind of generator, with its bounds on a GPU. */
export const PIPELINE_CASES: Readonly<Record<string, PipelineBounds>> = {
  'Stable Diffusion': { trace: tracedSD, features: 1e-6 },
  // f16 activations of SDXL have a file of their own: they depend on the decoder's config.
  'SDXL-Turbo': { trace: (dtype) => tracedSDXL('turbo', dtype), features: 1e-6 },
  HyperSDXL: { trace: (dtype) => tracedSDXL('hyper', dtype), features: 1e-6 },
  // f32 throughout: a single rounding to f16 on the way is about 1e-8.
  'PixArt-α': { trace: tracedPixArt, features: 1e-10, bound: 1e-10, half: 1e-3 },
  FLUX: { trace: tracedFlux, features: 1e-6, half: 1e-4 },
};
