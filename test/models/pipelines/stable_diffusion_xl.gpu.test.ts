import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cosine, nmse } from '../../../commands/common/distances.ts';
import { FIXTURES } from '../../../commands/parity/golden.ts';
import type { Device } from '../../../src/tensor/device.ts';
import { expectClose } from '../../support/expect_close.ts';
import { ADAPTERS, runStages } from '../../support/run_stages.ts';
import { testDevice } from '../../support/test_device.ts';
import { type TracedPipeline, tracedSDXL } from './traced_pipeline.ts';

const run = (device: Device, { pipeline, outputs, feeds }: TracedPipeline<'embeds' | 'pooled'>) =>
  runStages(device, outputs, pipeline.weights, feeds);

describe.each(Object.entries(ADAPTERS))('SDXL, f16 weights, %s', (_, options) => {
  let device: Device;
  beforeAll(async () => {
    device = await testDevice(options);
  });
  afterAll(() => device.gpu.destroy());

  it.each(['turbo', 'hyper'] as const)('%s: text features, picture and gradient at z, as PyTorch', async (name) => {
    const traced = await tracedSDXL(name);
    const { expected } = traced;
    const { embeds, pooled, image, gradient } = await run(device, traced);
    expect(nmse(embeds, expected.embeds)).toBeLessThan(1e-6);
    expect(nmse(pooled, expected.pooled)).toBeLessThan(1e-6);
    expectClose({ output: image, gradient }, { expected });
  });
});

describe('SDXL with f16 activations', () => {
  let device: Device;
  let folder: string;
  beforeAll(async () => {
    device = await testDevice();
    folder = await mkdtemp(join(tmpdir(), 'sdxl-'));
    await cp(`${FIXTURES}/pipeline_sdxl`, folder, { recursive: true });
  });
  afterAll(async () => {
    device.gpu.destroy();
    await rm(folder, { recursive: true });
  });

  it.each([
    [true, 'the UNet alone'],
    [false, 'the decoder too'],
  ])('force_upcast %s: %s', async (force_upcast) => {
    const file = join(folder, 'vae/config.json');
    const config: object = JSON.parse(await readFile(file, 'utf8'));
    await writeFile(file, JSON.stringify({ ...config, force_upcast }));
    const traced = await tracedSDXL('turbo', 'f16', folder);
    const inHalf = traced.outputs.image.graph.nodes.filter(
      (node) => node.op?.name === 'conv2d' && node.outputs[0]?.dtype === 'f16',
    );
    expect(inHalf.some((node) => node.path.includes('down_blocks'))).toBe(true);
    expect(inHalf.some((node) => node.path.includes('decoder'))).toBe(!force_upcast);
    const { image, gradient } = await run(device, traced);
    expect(nmse(image, traced.expected.output)).toBeLessThan(1e-6);
    expect(cosine(gradient, traced.expected.gradient)).toBeGreaterThan(0.9999);
  });
});
