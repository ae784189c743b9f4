import { cp, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FIXTURES, openFixture } from '../../../commands/parity/golden.ts';
import { mounted } from '../../../src/models/checkpoint/files.ts';
import {
  type SafetensorsValue,
  writeSafetensors,
} from '../../../src/models/checkpoint/safetensors/write_safetensors.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import { openPipeline, type TextToImagePipeline } from '../../../src/models/pipelines/index.ts';
import { StableDiffusionPipeline } from '../../../src/models/pipelines/stable_diffusion.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { interpret } from '../../../src/tensor/interpreter.ts';
import { expectClose } from '../../support/expect_close.ts';
import { tracedSD } from './traced_pipeline.ts';

it('a generator folder in f64 on the CPU, as PyTorch', async () => {
  const { pipeline, outputs, feeds, expected } = await tracedSD();
  const all = new Map<string, ArrayLike<number>>(feeds);
  for (const store of pipeline.weights) {
    for (const [name, values] of await store.values()) {
      all.set(name, values);
    }
  }
  const [output = [], slope = []] = interpret([outputs.image, outputs.gradient], all);
  expectClose({ output, gradient: slope }, { expected }, 1e-9);
});

describe('a broken model folder', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pipeline-'));
    await cp(`${FIXTURES}/pipeline`, folder, { recursive: true });
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

  it('has a default picture of the size in its config, which may be a height and a width', async () => {
    await edit('unet/config.json', { sample_size: [8, 12] });
    expect((await open()).latentShape()).toEqual([1, 4, 8, 12]);
  });

  const cases: Record<string, [() => Promise<void>, RegExp]> = {
    'no model_index.json': [() => rm(join(folder, 'model_index.json')), /model_index\.json: cannot be read/],
    'no config': [() => rm(join(folder, 'unet/config.json')), /unet\/config\.json: cannot be read/],
    'no weights': [
      () => rm(join(folder, 'vae/diffusion_pytorch_model.safetensors')),
      /vae: there is no diffusion_pytorch_model\.safetensors/,
    ],
    'truncated weights': [
      () => truncate(join(folder, 'unet/diffusion_pytorch_model.safetensors'), 100_000),
      /diffusion_pytorch_model\.safetensors: tensor \S+ ends at byte \d+, after the end of the file/,
    ],
    'another part': [
      () => edit('model_index.json', { unet: ['diffusers', 'UNet3DConditionModel'] }),
      /model_index\.json: unet must be a part of class UNet2DConditionModel/,
    ],
    'a part of a module of its own': [
      () => edit('model_index.json', { unet: ['my_unet', 'UNet2DConditionModel'] }),
      /model_index\.json: unet must be a part of class UNet2DConditionModel, but is \["my_unet","UNet2DConditionModel"\]/,
    ],
    'a config of another class': [
      () => edit('unet/config.json', { _class_name: 'UNet2DModel' }),
      /unet\/config\.json: _class_name must be one of "UNet2DConditionModel", but is "UNet2DModel"/,
    ],
    'an unknown setting of the pipeline': [
      () => edit('model_index.json', { clip_skip: 2 }),
      /model_index\.json: clip_skip is 2: this key is not known here/,
    ],
    'a config of other widths': [
      () => edit('unet/config.json', { block_out_channels: [8, 32] }),
      /tensor \S+ has shape \[.*\] where \[.*\] is needed; does config\.json belong to these weights\?/,
    ],
    'a config of fewer layers': [
      () => edit('vae/config.json', { mid_block_add_attention: false }),
      /10 tensors are not used by this model: decoder\.mid_block\.attentions/,
    ],
    'a config of more layers': [
      () => edit('unet/config.json', { layers_per_block: 2 }),
      /there is no tensor down_blocks\.0\.resnets\.1\.norm1\.weight/,
    ],
    'a text encoder of another width': [
      () => edit('unet/config.json', { cross_attention_dim: 16 }),
      /cross_attention_dim is 16, but the text encoder's hidden_size is 12/,
    ],
  };
  it.each(Object.entries(cases))('%s', async (_, [breakIt, message]) => {
    await breakIt();
    await expect(open()).rejects.toThrow(message);
  });

  it('says which parts and settings are left out, as diffusers leaves them out', async () => {
    await edit('model_index.json', {
      controlnet: ['diffusers', 'ControlNetModel'],
      image_encoder: [null, null],
      safety_checker: ['stable_diffusion', 'StableDiffusionSafetyChecker'],
    });
    const said: string[] = [];
    await openPipeline(new Graph(), { ...nodeFiles(folder), warn: (sentence) => said.push(sentence) });
    expect(said).toEqual([
      `${folder}/vae/config.json: shift_factor is 0.1, which diffusers uses in a FluxPipeline alone; it is left out`,
      `${folder}/model_index.json: controlnet is a part of class "ControlNetModel", which this pipeline does not use; it is left out`,
    ]);
  });

  it('reads the scheduler as the class that model_index.json names, and says so', async () => {
    await edit('scheduler/scheduler_config.json', { _class_name: 'PNDMScheduler' });
    const said: string[] = [];
    const pipeline = await openPipeline(new Graph(), { ...nodeFiles(folder), warn: (sentence) => said.push(sentence) });
    expect(said).toContain(
      `${folder}/scheduler/scheduler_config.json: _class_name is "PNDMScheduler", but model_index.json says "EulerDiscreteScheduler", which is used, as in diffusers`,
    );
    expect(pipeline instanceof StableDiffusionPipeline && pipeline.scheduler.oneStep().timestep).toBe(999);
  });

  it("takes another decoder than its own, as the decoder's config.json says", async () => {
    const small = await openFixture('autoencoder_tiny.safetensors');
    const names = [...small.entries.keys()].filter((key) => key.startsWith('weights.'));
    const weights: Record<string, SafetensorsValue> = {};
    for (const key of names) {
      weights[key.slice('weights.'.length)] = {
        shape: small.entries.get(key)?.shape ?? [],
        data: await readFloats(small, key),
      };
    }
    const draft = join(folder, 'draft');
    await mkdir(draft);
    const config = { ...JSON.parse(small.metadata.config ?? '{}'), _class_name: 'AutoencoderTiny' };
    await writeFile(join(draft, 'config.json'), JSON.stringify(config));
    await writeFile(join(draft, 'diffusion_pytorch_model.safetensors'), writeSafetensors(weights));
    const files = mounted('mixed', [
      { at: '', files: nodeFiles(folder), from: '' },
      { at: 'vae', files: nodeFiles(draft), from: '' },
    ]);
    const graph = new Graph();
    const pipeline = await openPipeline(graph, files);
    expect(pipeline.latentShape(16, 12)).toEqual([1, 4, 8, 6]);
    expect(pipeline.generate(graph.input('z', [1, 4, 8, 6], 'step')).shape).toEqual([1, 16, 12, 3]);
  });

  it('a size that is no multiple of a latent', async () => {
    const pipeline = await open();
    expect(() => pipeline.latentShape(18, 16)).toThrow('16×18 is not possible: sides must be multiples of 4');
  });
});
