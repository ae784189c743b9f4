/** Checkpoints as they are published: to the bit what torch reads (parity/checkpoints/real.json), where they are here. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Fixture, fixtureConfig, fixtureJson, memoryFiles } from '../../../commands/parity/fixtures.ts';
import { ImageReward, imageRewardConfig } from '../../../src/models/blip/blip.ts';
import { openPickle } from '../../../src/models/checkpoint/pickle/open_pickle.ts';
import { RewardMLP } from '../../../src/models/layers/reward_mlp.ts';
import { openWeights } from '../../../src/models/weights/weight_store.ts';
import { fileSource, nodeFiles } from '../../../src/platform/node/node_files.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { interpret } from '../../../src/tensor/interpreter.ts';
import { at } from '../../../src/tensor/types.ts';
import { torchArchive } from '../../support/pickles.ts';

const folder = resolve(import.meta.dirname, '../../../../shared/data/weights');
const AESTHETIC = 'sac+logos+ava1-l14-linearMSE.pth';
const DTYPES: Readonly<Record<string, string>> = { float32: 'F32', float16: 'F16' };

interface Real {
  readonly files: Readonly<Record<string, Readonly<Record<string, [dtype: string, shape: number[], sha256: string]>>>>;
  readonly aesthetic_of_ramp: number;
}
const real = (await fixtureJson('checkpoints/real')) as Real;

/** A test that says so where its file is missing. */
function where(file: string, name: string, run: () => Promise<void>): void {
  const there = existsSync(join(folder, file));
  it.skipIf(!there)(there ? name : `${name} (not here: ${join(folder, file)})`, run);
}

describe('every tensor, bit for bit', () => {
  for (const [name, tensors] of Object.entries(real.files)) {
    where(name, name, async () => {
      const file = await openPickle(await fileSource(join(folder, name)));
      const found = new Map<string, unknown>();
      for (const [key, { dtype, shape }] of file.entries) {
        found.set(key, [
          dtype,
          shape,
          createHash('sha256')
            .update(await file.read(key))
            .digest('hex'),
        ]);
      }
      const expected = Object.entries(tensors).map(([key, [dtype, shape, hash]]) => [
        key,
        [DTYPES[dtype], shape, hash],
      ]);
      expect(found.size).toBeGreaterThan(1);
      expect([...found]).toEqual(expected);
    });
  }
});

describe('as the weights of a model', () => {
  where(AESTHETIC, "LAION's aesthetic head, read under its own name from a model folder", async () => {
    const files = nodeFiles(await mkdtemp(join(tmpdir(), 'aesthetic-')));
    await symlink(join(folder, AESTHETIC), join(files.name, AESTHETIC));
    const graph = new Graph();
    const weights = await openWeights(graph, files, 'aesthetic', { published: [AESTHETIC] });
    const head = new RewardMLP(weights, 768);
    weights.assertAllUsed();
    const score = head.forward(graph.input('x', [1, 768], 'step'));
    const ramp = Float64Array.from({ length: 768 }, (_, i) => -1 + (2 * i) / 767);
    const feeds = new Map<string, ArrayLike<number>>([...(await weights.values()), ['x', ramp]]);
    const [value] = interpret([score], feeds);
    expect(Math.abs(at(value ?? [], 0) / real.aesthetic_of_ramp - 1)).toBeLessThan(1e-12);
    await rm(files.name, { recursive: true });
  });

  it('ImageReward.pt', async () => {
    const fixture = await Fixture.open('image_reward');
    const graph = new Graph();
    const expected = fixture.weights(graph);
    const config = imageRewardConfig(await fixtureConfig('image_reward'));
    new ImageReward(expected, config);
    const files = memoryFiles('image_reward', { 'ImageReward.pt': torchArchive(await fixture.tensors()) });
    const weights = await openWeights(new Graph(), files, 'model', { published: ['ImageReward.pt'] });
    new ImageReward(weights, config);
    weights.assertAllUsed();
    expect(await weights.values()).toEqual(await expected.values());
  });

  it('a missing one is asked for by both names', async () => {
    const files = nodeFiles(await mkdtemp(join(tmpdir(), 'empty-')));
    await writeFile(join(files.name, 'config.json'), '{}');
    await expect(openWeights(new Graph(), files, 'model', { published: ['ImageReward.pt'] })).rejects.toThrow(
      'there is no model.safetensors, nor pytorch_model.bin, ImageReward.pt; give a folder',
    );
    await rm(files.name, { recursive: true });
  });
});
