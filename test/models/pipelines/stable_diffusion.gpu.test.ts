import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nmse } from '../../../commands/common/distances.ts';
import type { Device } from '../../../src/tensor/device.ts';
import { expectClose } from '../../support/expect_close.ts';
import { ADAPTERS, runStages } from '../../support/run_stages.ts';
import { testDevice } from '../../support/test_device.ts';
import { tracedSD } from './traced_pipeline.ts';

describe.each(Object.entries(ADAPTERS))('%s', (_, options) => {
  let device: Device;
  beforeAll(async () => {
    device = await testDevice(options);
  });
  afterAll(() => device.gpu.destroy());

  it('a generator folder with f16 weights: text features, picture and gradient at z, as PyTorch', async () => {
    const { pipeline, outputs, feeds, expected } = await tracedSD();
    const found = await runStages(device, outputs, pipeline.weights, feeds);
    expect(nmse(found.context, expected.context)).toBeLessThan(1e-6);
    expectClose({ output: found.image, gradient: found.gradient }, { expected });
  });
});
