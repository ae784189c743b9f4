/** ImageReward's network against transformers' BLIP, on the GPU through a plan. Fixture: python/reference/rewards.py. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cosine, nmse } from '../../../commands/common/distances.ts';
import { Fixture, fixtureConfig } from '../../../commands/parity/fixtures.ts';
import { sum } from '../../../src/kernels/index.ts';
import { ImageReward, imageRewardConfig } from '../../../src/models/blip/blip.ts';
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

async function build(device: Device, storage: 'stored' | 'f16') {
  const fixture = await Fixture.open('image_reward');
  const graph = new Graph();
  const weights = fixture.weights(graph, storage);
  const model = new ImageReward(weights, imageRewardConfig(await fixtureConfig('image_reward')));
  const pixels = graph.input('pixels', fixture.shape('in.pixels'), 'step');
  const ids = graph.input('ids', fixture.shape('in.ids'), 'prompt', 'i32');
  const mask = graph.input('mask', fixture.shape('in.mask'), 'prompt');
  const imageTokens = model.visual_encoder.forward(pixels);
  const score = model.forward(pixels, ids, mask);
  const [gradient] = gradients(sum(score), [pixels]);
  weights.assertAllUsed();
  const cls = model.text_encoder.firstHiddenState(ids, mask, imageTokens);
  const plan = await compile(device, { outputs: { image_tokens: imageTokens, cls, score, gradient } });
  await weights.upload(plan);
  for (const name of ['pixels', 'ids', 'mask']) {
    plan.write(name, await fixture.values(`in.${name}`));
  }
  plan.run('load');
  plan.run('prompt');
  plan.run('step');
  return { fixture, plan };
}

describe('ImageReward', () => {
  it("equals transformers' BLIP encoders and a plain head", async () => {
    const { fixture, plan } = await build(device, 'stored');
    using _ = plan;
    for (const output of ['image_tokens', 'cls', 'score', 'gradient']) {
      expect(nmse(await plan.read(output), await fixture.values(`out.${output}`)), output).toBeLessThanOrEqual(1e-9);
    }
    expect(cosine(await plan.read('gradient'), await fixture.values('out.gradient'))).toBeGreaterThanOrEqual(0.999999);
    expect(plan.summary.dispatches.prompt).toBeGreaterThan(0);
  });

  it.each(['shader-f16', 'timestamp-query'] as const)('stays close with f16 weights, without %s', async (feature) => {
    using on = await testDevice({ without: [feature] });
    const { fixture, plan } = await build(on, 'f16');
    using _ = plan;
    expect(nmse(await plan.read('score'), await fixture.values('out.score'))).toBeLessThanOrEqual(1e-5);
    expect(cosine(await plan.read('gradient'), await fixture.values('out.gradient'))).toBeGreaterThanOrEqual(0.9999);
  });
});
