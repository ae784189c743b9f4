/**
 * Settings of a model folder that change the arithmetic, or that a pipeline does not use, against diffusers and transformers: the
 * decoder's `scaling_factor` and `shift_factor`, padding that is masked, kinds of prediction, and sections of a CLIPModel that an older
 * key replaces (python/reference/config_settings.py, networks.py, flux.py and clip.py).
 */
import { exp, l2Normalize, mul, sum } from '../../../src/kernels/index.ts';
import { type ModelFiles, mounted } from '../../../src/models/checkpoint/files.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import { CLIPModel, clipConfig } from '../../../src/models/clip/clip.ts';
import { asF32 } from '../../../src/models/layers/tokens.ts';
import { openPipeline } from '../../../src/models/pipelines/index.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { gradients } from '../../../src/tensor/vjp.ts';
import { fixtureConfig, memoryFiles } from '../fixtures.ts';
import { FIXTURES, golden, halfShare, openFixture, type ParityCase } from '../golden.ts';

interface Folder {
  /** Folder in parity/, with its golden.safetensors. */
  readonly name: string;
  readonly prompt: string;
  /** The file with the picture and its gradient. Default: golden.safetensors of the folder, which has z. */
  readonly expected?: string;
  /** Prefix of the golden tensors. */
  readonly prefix?: string;
  /** Keys that are added to a config of the folder. */
  readonly change?: { readonly path: string; readonly values: object };
}

/** From z to the picture, with the gradient at z of sum(picture · cotangent). */
const pipeline =
  ({ name, prompt, expected: fixture, prefix = '', change }: Folder): ParityCase =>
  async (precision) => {
    const file = await openFixture(`${name}/golden.safetensors`);
    const golden = fixture === undefined ? file : await openFixture(fixture);
    const graph = new Graph();
    const files = await changed(nodeFiles(`${FIXTURES}/${name}`), change);
    const opened = await openPipeline(graph, files, { dtype: precision });
    const z = graph.input('z', file.entries.get('z')?.shape ?? [], 'step');
    const output = opened.generate(z);
    const [gradient] = gradients(sum(mul(output, graph.input('cotangent', output.shape, 'prompt'))), [z]);
    const feeds = new Map<string, ArrayLike<number>>(opened.promptValues(prompt));
    feeds.set('z', await readFloats(file, 'z')).set('cotangent', await readFloats(golden, `${prefix}cotangent`));
    for (const store of opened.weights) {
      for (const [key, values] of await store.values()) {
        feeds.set(key, values);
      }
    }
    const expected = {
      output: await readFloats(golden, `${prefix}image`),
      gradient: await readFloats(golden, `${prefix}gradient`),
    };
    const versions = golden.metadata.versions ?? 'not recorded';
    return { graph, precision, output, gradient, feeds, expected, half: halfShare(graph), versions };
  };

async function changed(files: ModelFiles, change: Folder['change']): Promise<ModelFiles> {
  if (!change) {
    return files;
  }
  const values: object = JSON.parse(await files.readText(change.path));
  const own = memoryFiles(files.name, { config: JSON.stringify({ ...values, ...change.values }) });
  return mounted(files.name, [
    { at: '', files, from: '' },
    { at: change.path, files: own, from: 'config' },
  ]);
}

/** The layout of python/reference/clip.py: from the pixels to the logits, with the gradient at the pixels of their sum. */
const CLIP = {
  weights: 'w.',
  inputs: 'in.',
  input: 'pixels',
  output: 'out.logits',
  gradient: 'out.gradient',
};

const clip =
  (name: string): ParityCase =>
  async (precision) =>
    golden(
      `${name}.safetensors`,
      { layout: CLIP, config: await fixtureConfig(name) },
      ({ weights, config, input, extra }) => {
        const model = new CLIPModel(weights, clipConfig(config));
        const image = asF32(model.getImageFeatures(input));
        const text = asF32(model.getTextFeatures(extra('ids'), asF32(extra('eos_mask'))));
        const cosines = sum(mul(l2Normalize(image), l2Normalize(text)), [1]);
        return mul(cosines, exp(asF32(model.logit_scale)));
      },
      precision,
    );

/** The letters whose ids are the golden file's. */
const SD_PROMPT = '&2*';

const SETTINGS = 'config_settings.safetensors';

/** A case of python/reference/config_settings.py, which wrote the changes of the configs into the file too. */
const setting =
  (name: string, prompt: string, key: string): ParityCase =>
  async (precision) => {
    const changes: Record<string, Record<string, object>> = JSON.parse(
      (await openFixture(SETTINGS)).metadata.changes ?? '{}',
    );
    const [path = '', values = {}] = Object.entries(changes[key] ?? {})[0] ?? [];
    return pipeline({ name, prompt, expected: SETTINGS, prefix: `${key}.`, change: { path, values } })(precision);
  };

const SDXL_PROMPT = '4 CATS';
const PIXART_PROMPT = '  A Red cat, and two blue dogs.\n';

export const CASES: Readonly<Record<string, ParityCase>> = {
  'StableDiffusionPipeline: shift_factor, which it does not use': pipeline({ name: 'pipeline', prompt: SD_PROMPT }),
  'StableDiffusionPipeline: use_attention_mask': pipeline({
    name: 'pipeline',
    prompt: SD_PROMPT,
    prefix: 'masked.',
    change: { path: 'text_encoder/config.json', values: { use_attention_mask: true } },
  }),
  'StableDiffusionPipeline: scaling_factor': setting('pipeline', SD_PROMPT, 'sd_scaling'),
  'StableDiffusionPipeline: prediction_type': setting('pipeline', SD_PROMPT, 'sd_prediction'),
  'StableDiffusionXLPipeline: shift_factor, which it does not use': setting('pipeline_sdxl', SDXL_PROMPT, 'sdxl_shift'),
  'StableDiffusionXLPipeline: scaling_factor': setting('pipeline_sdxl', SDXL_PROMPT, 'sdxl_scaling'),
  'StableDiffusionXLPipeline: use_attention_mask, which it does not use': setting(
    'pipeline_sdxl',
    SDXL_PROMPT,
    'sdxl_mask',
  ),
  'PixArtAlphaPipeline: shift_factor, which it does not use': setting('pipeline_pixart', PIXART_PROMPT, 'pixart_shift'),
  'PixArtAlphaPipeline: scaling_factor': setting('pipeline_pixart', PIXART_PROMPT, 'pixart_scaling'),
  'FluxPipeline: shift_factor, which it adds': pipeline({ name: 'flux_pipeline', prompt: 'A:cat' }),
  'CLIPModel: text_config_dict and vision_config_dict': clip('clip_config_dict'),
};
