import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device, DeviceOptions } from '../../src/tensor/device.ts';
import { compile } from '../../src/tensor/plan.ts';
import { expectClose } from '../support/golden.ts';
import { testDevice } from '../support/gpu.ts';
import { nmse } from '../support/numbers.ts';
import { tracedPixArt } from './pipeline_pixart.ts';

/** f32 throughout: a single rounding to f16 on the way is about 1e-8. */
const BOUND = 1e-10;

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

  it('PixArt-α with f16 weights: text features, picture and gradient at z, as PyTorch', async () => {
    const { pipeline, outputs, feeds, expected } = await tracedPixArt();
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
    expect(nmse(await plan.read('context'), expected.context)).toBeLessThan(BOUND);
    expectClose({ output: await plan.read('image'), gradient: await plan.read('gradient') }, { expected }, BOUND);
  });
});
