import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nmse } from '../../../commands/common/distances.ts';
import { distance, holds, type Values } from '../../../commands/parity/golden.ts';
import type { Device } from '../../../src/tensor/device.ts';
import { expectClose } from '../../support/expect_close.ts';
import { ADAPTERS, runStages } from '../../support/run_stages.ts';
import { testDevice } from '../../support/test_device.ts';
import { type TracedPipeline, tracedPixArt } from './traced_pipeline.ts';

/** f32 throughout: a single rounding to f16 on the way is about 1e-8. */
const BOUND = 1e-10;

describe.each(Object.entries(ADAPTERS))('%s', (_, options) => {
  let device: Device;
  beforeAll(async () => {
    device = await testDevice(options);
  });
  afterAll(() => device.gpu.destroy());

  async function run({
    pipeline,
    outputs,
    feeds,
  }: TracedPipeline<'context'>): Promise<Values & { context: ArrayLike<number> }> {
    const { context, image, gradient } = await runStages(device, outputs, pipeline.weights, feeds);
    return { context, output: image, gradient };
  }

  it('PixArt-α with f16 weights: text features, picture and gradient at z, as PyTorch', async () => {
    const traced = await tracedPixArt();
    const found = await run(traced);
    expect(nmse(found.context, traced.expected.context)).toBeLessThan(BOUND);
    expectClose(found, traced, BOUND);
  });

  it('PixArt-α with activations in f16, its text features in f32', async ({ skip }) => {
    if (!device.caps.f16) {
      skip('the adapter has no shader-f16');
    }
    const traced = await tracedPixArt('f16');
    const found = await run(traced);
    expect(nmse(found.context, traced.expected.context)).toBeLessThan(BOUND);
    expect(holds(distance(found, traced.expected), 'f16')).toBe(true);
  });
});
