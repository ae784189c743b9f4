/**
 * The embedded rewards from picture to loss against PyTorch, for two prompts with one plan.
 * Fixture: python/pocket/rewards_fixture.py (picture i goes with prompt i).
 */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cosine, nmse } from '../../../commands/common/distances.ts';
import { channelsLast, Fixture, fixtureJson } from '../../../commands/parity/fixtures.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';
import { openReward } from '../../../src/reno/rewards/index.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { compile } from '../../../src/tensor/plan/compile.ts';
import { at } from '../../../src/tensor/types.ts';
import { gradients } from '../../../src/tensor/vjp.ts';
import { testDevice } from '../../support/test_device.ts';

const weights = fileURLToPath(new URL('../../../weights/pocket', import.meta.url));

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => device.destroy());

describe.each(['hps', 'clip', 'image_reward'])('pocket reward %s', (name) => {
  it('equals PyTorch, loss and image gradient', async () => {
    const fixture = await Fixture.open('pocket_rewards');
    const { prompts } = (await fixtureJson('pocket_rewards')) as { prompts: string[] };
    const [, channels, height, width] = fixture.shape('images') as [number, number, number, number];
    const images = await fixture.values('images');
    const losses = await fixture.values(`${name}.loss`);
    const grads = await fixture.values(`${name}.grad`);
    const graph = new Graph();
    const reward = await openReward(graph, name, nodeFiles(`${weights}/${name}`));
    const image = graph.input('image', [1, height, width, channels], 'step');
    const loss = reward.loss(image);
    const [gradient] = gradients(loss, [image]);
    using plan = await compile(device, { outputs: { loss, gradient } });
    for (const store of reward.weights) {
      await store.upload(plan);
    }
    plan.run('load');
    const size = channels * height * width;
    const picture = (values: Float32Array, i: number) =>
      channelsLast(values.slice(i * size, (i + 1) * size), [1, channels, height, width]);
    for (const [i, prompt] of prompts.entries()) {
      for (const [input, values] of reward.promptValues(prompt)) {
        plan.write(input, values);
      }
      plan.write('image', picture(images, i));
      plan.run('prompt');
      plan.run('step');
      const expected = at(losses, i);
      expect(Math.abs(at(await plan.read('loss'), 0) - expected) / Math.abs(expected), prompt).toBeLessThanOrEqual(
        1e-5,
      );
      const grad = await plan.read('gradient');
      expect(nmse(grad, picture(grads, i)), prompt).toBeLessThanOrEqual(1e-6);
      expect(cosine(grad, picture(grads, i)), prompt).toBeGreaterThanOrEqual(0.99999);
    }
    // The text side is computed once a prompt: no step looks up a token.
    const lookups = (stage: 'prompt' | 'step') =>
      plan.schedule.steps[stage].filter(({ node }) => node.op?.name === 'embedding').length;
    expect([lookups('prompt') > 0, lookups('step')]).toEqual([true, 0]);
  });

  it('reads the prompt with the tokens that PyTorch was given', async () => {
    const fixture = await Fixture.open('pocket_rewards');
    const { prompts } = (await fixtureJson('pocket_rewards')) as { prompts: string[] };
    const reward = await openReward(new Graph(), name, nodeFiles(`${weights}/${name}`));
    const key = name === 'image_reward' ? 'bert' : 'clip';
    const [, length] = fixture.shape(`${key}.ids`) as [number, number];
    const ids = await fixture.values(`${key}.ids`);
    for (const [i, prompt] of prompts.entries()) {
      const values = [...reward.promptValues(prompt).values()];
      expect([...at(values, 0)]).toEqual([...ids.slice(i * length, (i + 1) * length)]);
      if (key === 'bert') {
        const mask = await fixture.values('bert.mask');
        expect([...at(values, 1)]).toEqual([...mask.slice(i * length, (i + 1) * length)]);
      }
    }
  });
});
