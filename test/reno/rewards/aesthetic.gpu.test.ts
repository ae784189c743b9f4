/** The aesthetic reward from picture to loss, opened from a folder, against torch. Fixture: python/reference/rewards.py. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cosine, nmse } from '../../../commands/common/distances.ts';
import { Fixture, memoryFiles } from '../../../commands/parity/fixtures.ts';
import { openReward } from '../../../src/reno/rewards/index.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { compile } from '../../../src/tensor/plan/compile.ts';
import { gradients } from '../../../src/tensor/vjp.ts';
import { testDevice } from '../../support/test_device.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => device.destroy());

it('the aesthetic reward equals torch, value and gradient', async () => {
  const fixture = await Fixture.open('aesthetic');
  const files = memoryFiles('aesthetic', {
    'config.json': await readFile(new URL('../../../parity/clip_gelu.json', import.meta.url), 'utf8'),
    'model.safetensors': await (await Fixture.open('clip_gelu')).weightsFile(),
    'aesthetic.safetensors': await fixture.weightsFile(),
  });
  const graph = new Graph();
  const reward = await openReward(graph, 'aesthetic', files);
  const image = graph.input('image', fixture.shape('in.image'), 'step');
  const loss = reward.loss(image);
  const [gradient] = gradients(loss, [image]);
  using plan = await compile(device, { outputs: { loss, gradient } });
  for (const weights of reward.weights) {
    await weights.upload(plan);
  }
  plan.write('image', await fixture.values('in.image'));
  plan.run('load');
  plan.run('prompt');
  plan.run('step');
  expect(nmse(await plan.read('loss'), await fixture.values('out.loss'))).toBeLessThanOrEqual(1e-10);
  expect(nmse(await plan.read('gradient'), await fixture.values('out.gradient'))).toBeLessThanOrEqual(1e-9);
  expect(cosine(await plan.read('gradient'), await fixture.values('out.gradient'))).toBeGreaterThanOrEqual(0.999999);
  expect(reward.promptValues('a photo of a cat').size).toBe(0);
});
