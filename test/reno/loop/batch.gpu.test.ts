/** Pictures of several prompts at once, on small folders in the public layout: each is what it is alone, whatever its neighbours. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nmse } from '../../../commands/common/distances.ts';
import { FIXTURES, openFixture } from '../../../commands/parity/golden.ts';
import type { ModelFiles } from '../../../src/models/checkpoint/files.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';
import { type Generated, type GenerateOptions, Reno } from '../../../src/reno/session.ts';
import { REFERENCE_SETTINGS, type RenoSettings } from '../../../src/reno/settings/settings.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { at } from '../../../src/tensor/types.ts';
import { testDevice } from '../../support/test_device.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => device.destroy());

function folder(pipeline: string): ModelFiles {
  const files = nodeFiles(FIXTURES);
  const where = (path: string): string =>
    path.startsWith('generator/') ? path.replace('generator', pipeline) : `rewards/${path}`;
  return {
    name: pipeline,
    has: (path) => files.has(where(path)),
    read: (path) => files.read(where(path)),
    readText: (path) => files.readText(where(path)),
  };
}

const RUNS: readonly GenerateOptions[] = [
  { prompt: 'a red cat', seed: 1, nIters: 2 },
  { prompt: 'two blue cars on a road', seed: 2, nIters: 2 },
  { prompt: 'a red cat', seed: 3, nIters: 1 },
];

const SETTINGS: RenoSettings = {
  ...REFERENCE_SETTINGS,
  size: [16, 16],
  rewards: { hps: 5, clip: 0.01, image_reward: 1 },
};

const told = ({ trajectory, history }: Generated) => ({
  best: trajectory.bestImage,
  first: trajectory.initImage,
  noise: trajectory.bestLatents,
  iterations: history.iterations.map(({ seconds: _, ...record }) => record),
});

describe('a batch of two', () => {
  it('Stable Diffusion: three runs give, bit for bit, what each gives alone', async () => {
    const alone: Generated[] = [];
    {
      using reno = await Reno.open(device, 'alone', folder('pipeline'), SETTINGS);
      for (const run of RUNS) {
        alone.push(await reno.generate(run));
      }
    }
    using reno = await Reno.open(device, 'batch', folder('pipeline'), { ...SETTINGS, batch: 2 });
    const together = await Promise.all(RUNS.map((run) => reno.generate(run)));
    expect(together.map(told)).toEqual(alone.map(told));
  });

  // The time embedding has a row for each prompt there, so it is added after the convolution and not in its bias: other roundings.
  it('SDXL: a prompt is as in PyTorch, and bit for bit the same whatever its neighbour and row are', async () => {
    const file = await openFixture('iteration/sdxl.safetensors');
    const { prompt = '', seed, size } = file.metadata;
    using reno = await Reno.open(device, 'batch', folder('pipeline_sdxl'), {
      ...SETTINGS,
      rewards: { hps: 5 },
      noise: 'torch-cpu',
      size: [Number(size), Number(size)],
      batch: 2,
    });
    const golden: GenerateOptions = { prompt, seed: Number(seed), nIters: 1 };
    const [first, other] = await Promise.all([reno.generate(golden), reno.generate({ ...golden, seed: 5 })]);
    const [, last] = await Promise.all([
      reno.generate({ prompt: 'two blue cars', seed: 2, nIters: 1 }),
      reno.generate(golden),
    ]);
    expect(told(last)).toEqual(told(first));
    expect(told(other).first).not.toEqual(told(first).first);
    expect(nmse(told(first).first, await readFloats(file, 'image64'))).toBeLessThan(1e-8);
    const expected = at(await readFloats(file, 'loss.hps'), 0);
    expect(Math.abs((first.history.iterations[0]?.losses.HPS ?? Number.NaN) - expected)).toBeLessThan(1e-5 * expected);
  });
});
