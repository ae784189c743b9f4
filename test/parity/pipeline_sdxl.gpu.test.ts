import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device, DeviceOptions } from '../../src/tensor/device.ts';
import { compile } from '../../src/tensor/plan.ts';
import { expectClose } from '../support/golden.ts';
import { testDevice } from '../support/gpu.ts';
import { nmse } from '../support/numbers.ts';
import { tracedSDXL } from './pipeline_sdxl.ts';

const adapters: Record<string, DeviceOptions> = {
  'with all that the adapter has': {},
  'without shader-f16 and subgroups': { without: ['shader-f16', 'subgroups'] },
};

describe.each(Object.entries(adapters))('%s', (_, options) => {
  let device: Device;
  beforeAll(async () => {
    device = await testDevice(options);
  });
  afterAll(() => device.gpu.destroy());

  it.each(['turbo', 'hyper'] as const)(
    'SDXL with f16 weights, %s: picture and gradient at z, as PyTorch',
    async (name) => {
      const { pipeline, outputs, feeds, expected } = await tracedSDXL(name);
      using plan = await compile(device, { outputs });
      for (const store of pipeline.weights) {
        await store.upload(plan);
      }
      for (const [input, values] of feeds) {
        plan.write(input, values);
      }
      plan.run('load');
      plan.run('prompt');
      plan.run('step');
      expect(nmse(await plan.read('embeds'), expected.embeds)).toBeLessThan(1e-6);
      expect(nmse(await plan.read('pooled'), expected.pooled)).toBeLessThan(1e-6);
      expectClose({ output: await plan.read('image'), gradient: await plan.read('gradient') }, { expected });
    },
  );
});
