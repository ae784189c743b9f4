/** Several steps on the small generator folder, as diffusers' StableDiffusionPipeline (tools/reference/multi_step.py). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeFiles } from '../../src/cli/node_files.ts';
import type { ModelFiles } from '../../src/models/files.ts';
import { MultiStepSampler, type SamplerOptions } from '../../src/models/multi_step.ts';
import { noiseDraws } from '../../src/reno/noise.ts';
import type { Device } from '../../src/tensor/device.ts';
import { readFloats } from '../../src/tensor/safetensors.ts';
import { FIXTURES, openFixture } from '../support/golden.ts';
import { testDevice } from '../support/gpu.ts';
import { nmse } from '../support/numbers.ts';

interface Case {
  readonly scheduler: object;
  readonly steps: number;
  readonly guidance: number;
  readonly seed: number;
}

const file = await openFixture('multi_step.safetensors');
const cases: Record<string, Case> = JSON.parse(file.metadata.cases ?? '{}');
const prompt = file.metadata.prompt ?? '';

/** The folder of the pipeline fixture with another scheduler in it. */
function withScheduler(scheduler: object): ModelFiles {
  const files = nodeFiles(`${FIXTURES}/pipeline`);
  return {
    name: files.name,
    has: (path) => files.has(path),
    read: (path) => files.read(path),
    readText: async (path) =>
      path === 'scheduler/scheduler_config.json' ? JSON.stringify(scheduler) : files.readText(path),
  };
}

describe('several steps', () => {
  let device: Device;
  beforeAll(async () => {
    device = await testDevice();
  });
  afterAll(() => device?.destroy());

  async function sampled(one: Case, options: SamplerOptions = {}) {
    const { steps, guidance } = one;
    using sampler = await MultiStepSampler.open(device, withScheduler(one.scheduler), {
      height: 16,
      width: 24,
      steps,
      guidance,
      ...options,
    });
    const draw = noiseDraws(sampler.latentShape, one.seed, 'torch-cpu');
    return await sampler.sample({ prompt, noise: draw(0), fresh: (step) => draw(step + 1) });
  }

  it.each(Object.entries(cases))('%s', async (name, one) => {
    const { image, latents } = await sampled(one);
    expect(nmse(latents, await readFloats(file, `${name}.latents`))).toBeLessThan(1e-6);
    expect(nmse(image, await readFloats(file, `${name}.image`))).toBeLessThan(1e-6);
  });

  it('with f16 activations', async () => {
    const one = cases.euler_4_guided;
    const { image } = await sampled(one ?? { scheduler: {}, steps: 1, guidance: 1, seed: 0 }, { dtype: 'f16' });
    expect(nmse(image, await readFloats(file, 'euler_4_guided.image'))).toBeLessThan(1e-3);
  });
});
