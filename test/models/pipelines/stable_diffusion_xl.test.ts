import { cp, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
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
import { createSchedule } from '../../../src/tensor/schedule/planner.ts';
import { expectClose } from '../../support/expect_close.ts';
import { SDXL_PROMPT, tracedSDXL } from './traced_pipeline.ts';

const CAPS = {
  f16: true,
  subgroups: false,
  subgroupMinSize: 4,
  subgroupMaxSize: 64,
  software: true,
  maxWorkgroupStorage: 16384,
  maxInvocations: 256,
  maxStorageBuffers: 8,
};

/** PyTorch's own f32 rounding is up to 2e-12 here. */
const BOUND = 1e-11;

it.each(['turbo', 'hyper'] as const)('SDXL in f64 on the CPU, %s, as PyTorch', async (name) => {
  const { pipeline, outputs, feeds, expected } = await tracedSDXL(name);
  const all = new Map<string, ArrayLike<number>>(feeds);
  for (const store of pipeline.weights) {
    for (const [input, values] of await store.values()) {
      all.set(input, values);
    }
  }
  const { embeds, pooled, image, gradient } = outputs;
  const [features = [], text = [], output = [], slope = []] = interpret([embeds, pooled, image, gradient], all);
  expect(nmse(features, expected.embeds)).toBeLessThan(BOUND);
  expect(nmse(text, expected.pooled)).toBeLessThan(BOUND);
  expectClose({ output, gradient: slope }, { expected }, BOUND);
});

describe('the prompt', () => {
  it('becomes the ids that diffusers makes of it, each tokenizer with its own padding', async () => {
    const golden = await openFixture('pipeline_sdxl/golden.safetensors');
    const { pipeline } = await tracedSDXL('turbo');
    const values = pipeline.promptValues(SDXL_PROMPT);
    expect([...(values.get('generator.prompt_ids') ?? [])]).toEqual([...(await readFloats(golden, 'tokenizer.ids'))]);
    const second = [...(await readFloats(golden, 'tokenizer_2.ids'))];
    expect([...(values.get('generator.prompt_2_ids') ?? [])]).toEqual(second);
    expect(second.slice(-1)).toEqual([0]);
    expect([...(values.get('generator.prompt_2_eos') ?? [])].indexOf(1)).toBe(second.indexOf(39));
  });

  it('is all encoded before the first step, and the last layer of the first tower not at all', async () => {
    const { pipeline, outputs } = await tracedSDXL('turbo');
    expect(outputs.embeds.node.stage).toBe('prompt');
    expect(outputs.pooled.node.stage).toBe('prompt');
    const { image, gradient } = outputs;
    const { inputs } = createSchedule({ outputs: { image, gradient } }, CAPS);
    const read = (name: string): boolean => [...inputs.keys()].some((key) => key.startsWith(name));
    expect(pipeline.text.text_encoder.encoder.layers.length).toBe(3);
    expect(read('text_encoder.encoder.layers.1.')).toBe(true);
    expect(read('text_encoder.encoder.layers.2.')).toBe(false);
    expect(read('text_encoder.final_layer_norm.')).toBe(false);
    expect(read('text_encoder_2.text_model.encoder.layers.2.')).toBe(true);
  });
});

describe('an SDXL folder that does not fit together', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sdxl-'));
    await cp(`${FIXTURES}/pipeline_sdxl`, folder, { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true }));

  const open = (): Promise<TextToImagePipeline> => openPipeline(new Graph(), nodeFiles(folder));
  const edit = async (path: string, change: object): Promise<void> => {
    const values: object = JSON.parse(await readFile(join(folder, path), 'utf8'));
    await writeFile(join(folder, path), JSON.stringify({ ...values, ...change }));
  };

  it('opens before it is broken', async () => {
    expect((await open()).latentShape()).toEqual([1, 4, 8, 8]);
  });

  it('takes the UNet of Hyper-SD under the name it is published with', async () => {
    const unet = join(folder, 'unet');
    await rename(join(unet, 'diffusion_pytorch_model.safetensors'), join(unet, 'Hyper-SDXL-1step-Unet.safetensors'));
    expect((await open()).latentShape(16, 24)).toEqual([1, 4, 4, 6]);
  });

  const cases: Record<string, [() => Promise<void>, RegExp]> = {
    'no second tokenizer': [
      () => rm(join(folder, 'tokenizer_2'), { recursive: true }),
      /tokenizer_2\/tokenizer\.json: cannot be read/,
    ],
    'no second text encoder': [
      () => edit('model_index.json', { text_encoder_2: [null, null] }),
      /model_index\.json: text_encoder_2 must be a part of class CLIPTextModelWithProjection, but is \[null,null\]/,
    ],
    'a second text encoder without projection': [
      () => edit('model_index.json', { text_encoder_2: ['transformers', 'CLIPTextModel'] }),
      /text_encoder_2 must be a part of class CLIPTextModelWithProjection, but is \["transformers","CLIPTextModel"\]/,
    ],
    'a UNet for other text encoders': [
      () => edit('unet/config.json', { cross_attention_dim: 12 }),
      /unet\/config\.json: cross_attention_dim is 12, but the text encoders' hidden_size are 8 \+ 12/,
    ],
    'a UNet without text_time': [
      () => edit('unet/config.json', { addition_embed_type: null }),
      /unet\/config\.json: addition_embed_type must be "text_time" in a StableDiffusionXLPipeline/,
    ],
    'a UNet of five sizes, which is the refiner': [
      () => edit('unet/config.json', { projection_class_embeddings_input_dim: 40 }),
      /projection_class_embeddings_input_dim is 40, but text_encoder_2's projection_dim 10 and 6 × addition_time_embed_dim 6 make 46/,
    ],
    'a text encoder of more layers': [
      () => edit('text_encoder_2/config.json', { num_hidden_layers: 4 }),
      /there is no tensor text_model\.encoder\.layers\.3\./,
    ],
    'a text encoder of fewer layers': [
      () => edit('text_encoder/config.json', { num_hidden_layers: 2 }),
      /16 tensors are not used by this model: encoder\.layers\.2/,
    ],
  };
  it.each(Object.entries(cases))('%s', async (_, [breakIt, message]) => {
    await breakIt();
    await expect(open()).rejects.toThrow(message);
  });
});
