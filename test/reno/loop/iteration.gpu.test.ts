/**
 * A whole iteration of ReNO, from the torch seed to the gradient at the noise: three kinds of generator with the four rewards, on
 * small folders in the public layout, beside PyTorch (python/reference/fullsize.py --size 16 or 32 on the same folders).
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cosine, nmse } from '../../../commands/common/distances.ts';
import { FIXTURES, openFixture } from '../../../commands/parity/golden.ts';
import type { ModelFiles } from '../../../src/models/checkpoint/files.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import type { ComputeDType } from '../../../src/models/layers/half_precision.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';
import { Reno } from '../../../src/reno/session.ts';
import { REFERENCE_SETTINGS } from '../../../src/reno/settings/settings.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { at } from '../../../src/tensor/types.ts';
import { testDevice } from '../../support/test_device.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => device.destroy());

/** `generator/…` is one of the pipelines' fixtures, everything else a reward's. */
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

const BOUNDS = {
  f32: { loss: 1e-5, gradient: 1e-6, picture: 1e-8 },
  f16: { loss: 2e-3, gradient: 1e-3, picture: 1e-4 },
} as const;
const KINDS = [
  ['sd', 'pipeline'],
  ['sdxl', 'pipeline_sdxl'],
  ['pixart', 'pipeline_pixart'],
] as const;
const CASES = KINDS.flatMap((kind) => (['f32', 'f16'] as const).map((dtype) => [...kind, dtype] as const));

async function iterate(fixture: string, pipeline: string, dtype: ComputeDType) {
  const file = await openFixture(`iteration/${fixture}.safetensors`);
  const { prompt = '', seed, size, reg_weight, weights = '{}' } = file.metadata;
  const read = (key: string): Promise<Float32Array> => readFloats(file, key);
  using reno = await Reno.open(device, fixture, folder(pipeline), {
    ...REFERENCE_SETTINGS,
    noise: 'torch-cpu',
    regWeight: Number(reg_weight),
    size: [Number(size), Number(size)],
    dtype,
    rewards: JSON.parse(weights),
  });
  const { history } = await reno.generate({ prompt, seed: Number(seed), nIters: 1 });
  const gradient = await reno.plan.read('noise_gradient');
  const image = await reno.plan.read('image');
  return { record: at(history.iterations, 0), gradient, image, read };
}

describe('one iteration, as PyTorch', () => {
  it.for(CASES)('%s (%s) in %s', async ([fixture, pipeline, dtype], { skip }) => {
    if (dtype === 'f16' && !device.caps.f16) {
      skip('the adapter has no shader-f16');
    }
    const { record, gradient, image, read } = await iterate(fixture, pipeline, dtype);
    const bound = BOUNDS[dtype];
    const named = { HPS: 'hps', ImageReward: 'image_reward', CLIP: 'clip', PickScore: 'pick_score' };
    for (const [name, key] of Object.entries(named)) {
      const expected = at(await read(`loss.${key}`), 0);
      expect(Math.abs((record.losses[name] ?? Number.NaN) - expected), name).toBeLessThan(
        bound.loss * Math.abs(expected),
      );
    }
    expect(record.regulariser).toBeCloseTo(at(await read('regulariser'), 0), 4);
    expect(nmse(image, await read('image64'))).toBeLessThan(bound.picture);
    expect(cosine(gradient, await read('gradient'))).toBeGreaterThan(1 - bound.gradient);
    expect(nmse(gradient, await read('gradient'))).toBeLessThan(bound.gradient);
  });
});
