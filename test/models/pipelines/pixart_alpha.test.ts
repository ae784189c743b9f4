import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nmse } from '../../../commands/common/distances.ts';
import { FIXTURES, openFixture } from '../../../commands/parity/golden.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import { openPipeline, type TextToImagePipeline } from '../../../src/models/pipelines/index.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { interpret } from '../../../src/tensor/interpreter.ts';
import { expectClose } from '../../support/expect_close.ts';
import { tracedPixArt } from './traced_pipeline.ts';

/** PyTorch's own f32 rounding is up to 2e-12 here. */
const BOUND = 1e-11;

it('PixArt-α in f64 on the CPU, as PyTorch', async () => {
  const { pipeline, outputs, feeds, expected } = await tracedPixArt();
  const all = new Map<string, ArrayLike<number>>(feeds);
  for (const store of pipeline.weights) {
    for (const [input, values] of await store.values()) {
      all.set(input, values);
    }
  }
  const { context, image, gradient } = outputs;
  const [features = [], output = [], slope = []] = interpret([context, image, gradient], all);
  expect(nmse(features, expected.context)).toBeLessThan(BOUND);
  expectClose({ output, gradient: slope }, { expected }, BOUND);
});

it('the prompt, lower-cased and stripped, becomes the ids and mask that diffusers makes of it', async () => {
  const { feeds, outputs } = await tracedPixArt();
  const file = await openFixture('pipeline_pixart/golden.safetensors');
  const expected = { ids: await readFloats(file, 'ids'), mask: await readFloats(file, 'mask') };
  expect([...(feeds.get('generator.prompt_ids') ?? [])]).toEqual([...expected.ids]);
  expect([...(feeds.get('generator.prompt_mask') ?? [])]).toEqual([...expected.mask]);
  expect(expected.ids).toHaveLength(120);
  expect(expected.mask.indexOf(0)).toBeGreaterThan(5);
  expect(outputs.context.node.stage).toBe('prompt');
});

it('a prompt that is too long is cut, and still ends as texts do', async () => {
  const { pipeline } = await tracedPixArt();
  const values = pipeline.promptValues('cat '.repeat(200));
  const ids = [...(values.get('generator.prompt_ids') ?? [])];
  expect(ids).toHaveLength(120);
  expect(ids.indexOf(1)).toBe(119);
  expect([...(values.get('generator.prompt_mask') ?? [])]).not.toContain(0);
});

describe('a PixArt folder that does not fit together', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pixart-'));
    await cp(`${FIXTURES}/pipeline_pixart`, folder, { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true }));

  const open = (): Promise<TextToImagePipeline> => openPipeline(new Graph(), nodeFiles(folder));
  const edit = async (path: string, change: object): Promise<void> => {
    const values: object = JSON.parse(await readFile(join(folder, path), 'utf8'));
    await writeFile(join(folder, path), JSON.stringify({ ...values, ...change }));
  };

  it('opens before it is broken, for whole patches', async () => {
    const pipeline = await open();
    expect(pipeline.latentShape()).toEqual([1, 4, 8, 8]);
    expect(pipeline.latentShape(16, 24)).toEqual([1, 4, 4, 6]);
    expect(() => pipeline.latentShape(16, 20)).toThrow('20×16 is not possible: sides must be multiples of 8');
  });

  it('is opened under the newer name of the transformer too', async () => {
    await edit('model_index.json', { transformer: ['diffusers', 'PixArtTransformer2DModel'] });
    expect((await open()).latentShape()).toEqual([1, 4, 8, 8]);
  });

  const cases: Record<string, [() => Promise<void>, RegExp]> = {
    'another transformer': [
      () => edit('transformer/config.json', { norm_type: 'ada_norm_zero' }),
      /transformer\/config\.json: norm_type must be one of "ada_norm_single", but is "ada_norm_zero"/,
    ],
    'another activation': [
      () => edit('transformer/config.json', { activation_fn: 'geglu' }),
      /activation_fn is "geglu", which is not supported yet \(only "gelu-approximate" is\)/,
    ],
    'a transformer for another text encoder': [
      () => edit('transformer/config.json', { caption_channels: 24 }),
      /transformer\/config\.json: caption_channels is 24, but the text encoder's d_model is 20/,
    ],
    'a transformer that would be told the size': [
      () => edit('transformer/config.json', { sample_size: 128 }),
      /there is no tensor adaln_single\.emb\.resolution_embedder\.linear_1\.weight/,
    ],
    'heads that are not as wide as the sinusoids need': [
      () => edit('transformer/config.json', { attention_head_dim: 9, cross_attention_dim: 27 }),
      /attention_head_dim times num_attention_heads must be a multiple of 4, but is 27/,
    ],
    'a text encoder of another kind of feed-forward': [
      () => edit('text_encoder/config.json', { feed_forward_proj: 'relu', dense_act_fn: 'relu', is_gated_act: false }),
      /there is no tensor encoder\.block\.0\.layer\.1\.DenseReluDense\.wi\.weight/,
    ],
    'a scheduler of several steps': [
      () => edit('model_index.json', { scheduler: ['diffusers', 'DPMSolverMultistepScheduler'] }),
      /_class_name must be one of .*"DDPMScheduler".*, but is "DPMSolverMultistepScheduler"/,
    ],
  };
  it.each(Object.entries(cases))('%s', async (_, [breakIt, message]) => {
    await breakIt();
    await expect(open()).rejects.toThrow(message);
  });
});
