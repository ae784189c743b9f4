/** A public network at its real size: TAEF2 as published encodes and decodes a picture as PyTorch does (python/reference/taesd.py). */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nmse } from '../../../commands/common/distances.ts';
import { openFixture } from '../../../commands/parity/golden.ts';
import { affine } from '../../../src/kernels/index.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import { AutoencoderTiny, AutoencoderTinyEncoder } from '../../../src/models/vae/autoencoder_tiny.ts';
import { TAESD_DECODER_ALIASES, TAESD_ENCODER_ALIASES, taesdConfig } from '../../../src/models/vae/taesd.ts';
import { openWeights } from '../../../src/models/weights/weight_store.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { compile } from '../../../src/tensor/plan/compile.ts';
import { testDevice } from '../../support/test_device.ts';

const folder = resolve(import.meta.dirname, '../../../../shared/data/weights');
const there = existsSync(join(folder, 'taef2_decoder.pth')) && existsSync(join(folder, 'taef2_encoder.pth'));

/** Measured: latents 5e-13, pixels 2e-13. */
const BOUND = 1e-11;

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => device.destroy());

it.skipIf(!there)(there ? 'TAEF2' : `TAEF2 (not here: ${folder})`, async () => {
  const golden = await openFixture('taef2.safetensors');
  const graph = new Graph();
  const files = nodeFiles(folder);
  const open = (half: string, aliases = TAESD_ENCODER_ALIASES) =>
    openWeights(graph, files, `taef2_${half}`, { name: half, aliases });
  const weights = { encoder: await open('encoder'), decoder: await open('decoder', TAESD_DECODER_ALIASES) };
  const config = taesdConfig(weights.decoder);
  expect(config.latent_channels).toBe(32);
  const encoder = new AutoencoderTinyEncoder(weights.encoder, config);
  const decoder = new AutoencoderTiny(weights.decoder, config);
  weights.encoder.assertAllUsed();
  weights.decoder.assertAllUsed();
  const shape = golden.entries.get('picture')?.shape ?? [];
  const picture = graph.input('picture', shape, 'step');
  const latents = encoder.encode(affine(picture, 2, -1));
  const given = graph.input('latents', latents.shape, 'step');
  const decoded = affine(decoder.decode(given), 0.5, 0.5);
  using plan = await compile(device, { outputs: { latents, decoded } });
  await weights.encoder.upload(plan);
  await weights.decoder.upload(plan);
  plan.write(
    'picture',
    (await readFloats(golden, 'picture')).map((v) => v / 255),
  );
  plan.write('latents', await readFloats(golden, 'latents'));
  plan.run('load');
  plan.run('step');
  const expected = { latents: await readFloats(golden, 'latents'), decoded: await readFloats(golden, 'decoded') };
  expect(nmse(await plan.read('latents'), expected.latents)).toBeLessThan(BOUND);
  expect(nmse(await plan.read('decoded'), expected.decoded)).toBeLessThan(BOUND);
});
