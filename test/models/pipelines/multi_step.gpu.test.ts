/** Several steps on small generator folders, as diffusers' own pipelines (python/reference/multi_step.py). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nmse } from '../../../commands/common/distances.ts';
import { FIXTURES, openFixture } from '../../../commands/parity/golden.ts';
import type { ModelFiles } from '../../../src/models/checkpoint/files.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import { MultiStepSampler, type SamplerOptions } from '../../../src/models/pipelines/multi_step.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';
import { noiseDraws } from '../../../src/reno/noise/draw_noise.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { testDevice } from '../../support/test_device.ts';

interface Case {
  readonly folder: string;
  readonly prompt: string;
  readonly scheduler: { readonly _class_name: string };
  readonly steps: number;
  readonly guidance: number;
  readonly seed: number;
}

const file = await openFixture('multi_step.safetensors');
const cases: Record<string, Case> = JSON.parse(file.metadata.cases ?? '{}');

/** A fixture's folder with another scheduler in it, and other settings of the pipeline. */
function changed({ folder, scheduler }: Case, settings: object): ModelFiles {
  const files = nodeFiles(`${FIXTURES}/${folder}`);
  return {
    name: files.name,
    has: (path) => files.has(path),
    read: (path) => files.read(path),
    readText: async (path) => {
      const text = path === 'scheduler/scheduler_config.json' ? JSON.stringify(scheduler) : await files.readText(path);
      // The class that model_index.json names is the one that counts.
      const { _class_name: type } = scheduler;
      const index = { scheduler: ['diffusers', type], ...settings };
      return path === 'model_index.json' ? JSON.stringify({ ...JSON.parse(text), ...index }) : text;
    },
  };
}

describe('several steps', () => {
  let device: Device;
  beforeAll(async () => {
    device = await testDevice();
  });
  afterAll(() => device?.destroy());

  async function sampled(one: Case, options: SamplerOptions = {}, settings: object = {}, stop?: AbortSignal) {
    const { prompt, steps, guidance } = one;
    const [height, width] = one.folder === 'flux_pipeline' ? [12, 16] : [16, 24];
    using sampler = await MultiStepSampler.open(device, changed(one, settings), {
      height,
      width,
      steps,
      guidance,
      ...options,
    });
    const draw = noiseDraws(sampler.latentShape, one.seed, 'torch-cpu');
    return await sampler.sample({
      prompt,
      noise: draw(0),
      fresh: (step) => draw(step + 1),
      ...(stop ? { signal: stop } : {}),
    });
  }

  it.each(Object.entries(cases))('%s', async (name, one) => {
    const settings = name.endsWith('_empty') ? { force_zeros_for_empty_prompt: false } : {};
    const { image, latents } = await sampled(one, {}, settings);
    expect(nmse(latents, await readFloats(file, `${name}.latents`))).toBeLessThan(1e-6);
    expect(nmse(image, await readFloats(file, `${name}.image`))).toBeLessThan(1e-6);
  });

  it.each(['euler_4_guided', 'sdxl_4_guided', 'flux_4'])('%s with f16 activations', async (name) => {
    const one = cases[name];
    const image = one && (await sampled(one, { dtype: 'f16' })).image;
    expect(nmse(image ?? [], await readFloats(file, `${name}.image`))).toBeLessThan(1e-3);
  });

  it('stops where it is told to', async () => {
    const stopped = cases.euler_4 && sampled(cases.euler_4, {}, {}, AbortSignal.abort());
    await expect(stopped).rejects.toThrow('sampling was interrupted before step 1 of 4');
  });

  const refused: Record<string, [Case | undefined, SamplerOptions, RegExp]> = {
    'guidance for FLUX': [cases.flux_4, { guidance: 2 }, /FLUX.1-schnell has its guidance inside/],
    'a size between latents': [cases.euler_4, { height: 18 }, /sides must be multiples of 4/],
    'no steps': [cases.euler_4, { steps: 0 }, /0 steps are not possible: \S+scheduler_config.json allows 1 to 1000/],
  };
  it.each(Object.entries(refused))('refuses %s', async (_, [one, options, sentence]) => {
    await expect(one && sampled(one, options)).rejects.toThrow(sentence);
  });
});
