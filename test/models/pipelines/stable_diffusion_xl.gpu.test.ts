import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cosine, nmse } from '../../../commands/common/distances.ts';
import { FIXTURES } from '../../../commands/parity/golden.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { runStages } from '../../support/run_stages.ts';
import { testDevice } from '../../support/test_device.ts';
import { tracedSDXL } from './traced_pipeline.ts';

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
    const { image, gradient } = await runStages(device, traced.outputs, traced.pipeline.weights, traced.feeds);
    expect(nmse(image, traced.expected.output)).toBeLessThan(1e-6);
    expect(cosine(gradient, traced.expected.gradient)).toBeGreaterThan(0.9999);
  });
});
