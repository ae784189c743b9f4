import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cosine, nmse } from '../../../commands/common/distances.ts';
import type { Device } from '../../../src/tensor/device.ts';
import { expectClose } from '../../support/expect_close.ts';
import { runStages } from '../../support/run_stages.ts';
import { testDevice } from '../../support/test_device.ts';
import { tracedFlux } from './traced_pipeline.ts';

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
    const { context, pooled, image, gradient } = await runStages(device, outputs, pipeline.weights, feeds);
    expect(nmse(context, expected.context)).toBeLessThan(1e-6);
    expect(nmse(pooled, expected.pooled)).toBeLessThan(1e-6);
    if (dtype === 'f32') {
      expectClose({ output: image, gradient }, { expected });
    } else {
      expect(nmse(image, expected.output)).toBeLessThan(1e-4);
      expect(cosine(gradient, expected.gradient)).toBeGreaterThan(0.999);
    }
  });
});
