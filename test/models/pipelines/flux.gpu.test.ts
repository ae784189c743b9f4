import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cosine, nmse } from '../../../commands/common/distances.ts';
import type { Device } from '../../../src/tensor/device.ts';
import { compile } from '../../../src/tensor/plan/compile.ts';
import { expectClose } from '../../support/expect_close.ts';
import { testDevice } from '../../support/test_device.ts';
import { tracedFlux } from './traced_flux.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => device.gpu.destroy());

describe('a FLUX folder through a plan, as diffusers', () => {
  it.for(['f32', 'f16'] as const)('%s', async (dtype, { skip }) => {
    if (dtype === 'f16' && !device.caps.f16) {
      skip('the adapter has no shader-f16');
    }
    const { pipeline, outputs, feeds, expected } = await tracedFlux(dtype);
    using plan = await compile(device, { outputs });
    for (const store of pipeline.weights) {
      await store.upload(plan);
    }
    for (const [name, values] of feeds) {
      plan.write(name, values);
    }
    plan.run('load');
    plan.run('prompt');
    plan.run('step');
    expect(nmse(await plan.read('context'), expected.context)).toBeLessThan(1e-6);
    expect(nmse(await plan.read('pooled'), expected.pooled)).toBeLessThan(1e-6);
    const [image, gradient] = [await plan.read('image'), await plan.read('gradient')];
    if (dtype === 'f32') {
      expectClose({ output: image, gradient }, { expected: { output: expected.image, gradient: expected.gradient } });
    } else {
      expect(nmse(image, expected.image)).toBeLessThan(1e-4);
      expect(cosine(gradient, expected.gradient)).toBeGreaterThan(0.999);
    }
  });
});
