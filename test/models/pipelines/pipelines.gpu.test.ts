/** Every kind of generator folder through a plan, as PyTorch: text features, picture, and gradient at the noise. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nmse } from '../../../commands/common/distances.ts';
import { distance, holds, type Values } from '../../../commands/parity/golden.ts';
import type { ComputeDType } from '../../../src/models/layers/half_precision.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { expectClose } from '../../support/expect_close.ts';
import { ADAPTERS, runStages } from '../../support/run_stages.ts';
import { testDevice } from '../../support/test_device.ts';
import { PIPELINE_CASES } from './traced_pipeline.ts';

type PipelineCase = (typeof PIPELINE_CASES)[string];

describe.each(Object.entries(ADAPTERS))('%s', (_, options) => {
  let device: Device;
  beforeAll(async () => {
    device = await testDevice(options);
  });
  afterAll(() => device.gpu.destroy());

  /** Runs the pipeline and checks its text features. */
  async function run({ trace, features }: PipelineCase, dtype: ComputeDType): Promise<[Values, { expected: Values }]> {
    const { pipeline, outputs, feeds, expected } = await trace(dtype);
    const { image = [], gradient = [], ...text } = await runStages(device, outputs, pipeline.weights, feeds);
    const golden: ReadonlyMap<string, ArrayLike<number>> = new Map(Object.entries(expected));
    expect(Object.keys(text)).not.toHaveLength(0);
    for (const [name, values] of Object.entries(text)) {
      expect(values.length, name).toBe(golden.get(name)?.length);
      expect(nmse(values, golden.get(name) ?? []), name).toBeLessThan(features);
    }
    return [{ output: image, gradient }, { expected }];
  }

  const cases = Object.entries(PIPELINE_CASES);

  it.each(cases)('%s in f32', async (_, pipelineCase) => {
    const [found, golden] = await run(pipelineCase, 'f32');
    expectClose(found, golden, pipelineCase.bound);
  });

  it.for(cases.filter(([, { half }]) => half !== undefined))(
    '%s with activations in f16, its text features in f32',
    async ([, pipelineCase], { skip }) => {
      if (!device.caps.f16) {
        skip('the adapter has no shader-f16');
      }
      const [found, { expected }] = await run(pipelineCase, 'f16');
      expect(holds(distance(found, expected), 'f16')).toBe(true);
      expect(nmse(found.output, expected.output)).toBeLessThan(pipelineCase.half ?? 0);
    },
  );
});
