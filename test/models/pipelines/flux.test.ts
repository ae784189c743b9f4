import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nmse } from '../../../commands/common/distances.ts';
import { FIXTURES, openFixture } from '../../../commands/parity/golden.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import { imageIds } from '../../../src/models/flux/flux_pos_embed.ts';
import { unpackLatents } from '../../../src/models/pipelines/flux.ts';
import { openPipeline, type TextToImagePipeline } from '../../../src/models/pipelines/index.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { interpret } from '../../../src/tensor/interpreter.ts';
import { expectClose } from '../../support/expect_close.ts';
import { tracedFlux } from './traced_pipeline.ts';

it('a FLUX folder in f64 on the CPU, as diffusers: text features, picture and gradient at the noise', async () => {
  const { pipeline, outputs, feeds, expected } = await tracedFlux('f32');
  const all = new Map<string, ArrayLike<number>>(feeds);
  for (const store of pipeline.weights) {
    for (const [name, values] of await store.values()) {
      all.set(name, values);
    }
  }
  const { context, pooled, image, gradient } = outputs;
  const [c = [], p = [], output = [], slope = []] = interpret([context, pooled, image, gradient], all);
  expect(nmse(c, expected.context)).toBeLessThan(1e-11);
  expect(nmse(p, expected.pooled)).toBeLessThan(1e-11);
  expectClose({ output, gradient: slope }, { expected }, 1e-10);
});

it('what depends on the prompt alone runs in stage prompt, and nothing stores scores of all tokens', async () => {
  const { outputs } = await tracedFlux('f32');
  const { nodes } = outputs.image.graph;
  expect(outputs.context.node.stage).toBe('prompt');
  expect(outputs.pooled.node.stage).toBe('prompt');
  const step = nodes.filter((node) => node.stage === 'step' && node.path.includes('transformer'));
  expect(step.length).toBeGreaterThan(20);
  const norms = step.filter((node) => node.op?.name === 'layer_norm');
  // Three of the double block (its first norm of text depends on the prompt alone), the single block's, norm_out.
  expect(norms.length).toBe(5);
  expect(norms.flatMap((node) => node.inputs.slice(1).map((t) => t.node.stage))).toEqual(
    new Array<string>(10).fill('prompt'),
  );
  const tokens = 6 + 3 * 4;
  const square = step.flatMap((node) => node.outputs).filter(({ shape }) => shape.slice(-2).every((d) => d === tokens));
  expect(square).toEqual([]);
});

it('tokens and their places, as diffusers packs them', async () => {
  const file = await openFixture('flux_pipeline/golden.safetensors');
  const graph = new Graph();
  const packed = graph.input('packed', [1, 3, 4, 16], 'step');
  const [unpacked = []] = interpret([unpackLatents(packed)], new Map([['packed', await readFloats(file, 'packed')]]));
  expect([...unpacked]).toEqual([...(await readFloats(file, 'unpacked'))]);
  expect(imageIds(3, 4).flat()).toEqual([...(await readFloats(file, 'img_ids'))]);
});

describe('a broken FLUX folder', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flux-'));
    await cp(`${FIXTURES}/flux_pipeline`, folder, { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true }));

  const open = (): Promise<TextToImagePipeline> => openPipeline(new Graph(), nodeFiles(folder));
  const edit = async (path: string, change: object): Promise<void> => {
    const values: object = JSON.parse(await readFile(join(folder, path), 'utf8'));
    await writeFile(join(folder, path), JSON.stringify({ ...values, ...change }));
  };

  it('opens before it is broken; sides are multiples of a token', async () => {
    const pipeline = await open();
    expect(pipeline.latentShape()).toEqual([1, 32, 32, 16]);
    expect(pipeline.latentShape(12, 16)).toEqual([1, 3, 4, 16]);
    expect(() => pipeline.latentShape(10, 16)).toThrow('16×10 is not possible: sides must be multiples of 4');
  });

  const cases: Record<string, [object, RegExp]> = {
    'a model of many steps': [{ guidance_embeds: true }, /guidance_embeds is true: FLUX\.1-dev needs many steps/],
    'rotary axes that do not fill a head': [
      { axes_dims_rope: [4, 6, 8] },
      /axes_dims_rope must be three even numbers that make attention_head_dim, 16, together/,
    ],
    'another T5': [{ joint_attention_dim: 24 }, /joint_attention_dim is 24, but text_encoder_2's d_model is 20/],
    'another CLIP': [
      { pooled_projection_dim: 24 },
      /pooled_projection_dim is 24, but text_encoder's hidden_size is 12/,
    ],
    'more blocks': [{ num_single_layers: 2 }, /there is no tensor single_transformer_blocks\.1\./],
    'fewer blocks': [{ num_layers: 0 }, /num_layers must be a positive integer/],
    'fewer latent channels': [{ in_channels: 8 }, /in_channels and out_channels are 8 and 8, but must be 16/],
    'other channels': [
      { out_channels: 12 },
      /in_channels and out_channels are 16 and 12, but must be 16, as the autoencoder has 4 latent channels, 4 to a token/,
    ],
  };
  it.each(Object.entries(cases))('%s', async (_, [change, message]) => {
    await edit('transformer/config.json', change);
    await expect(open()).rejects.toThrow(message);
  });
});
