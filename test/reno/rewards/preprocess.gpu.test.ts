/** The rewards' preprocess against torch (bicubic, antialiased), value and gradient. Fixture: python/reference/rewards.py. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nmse } from '../../../commands/common/distances.ts';
import { Fixture } from '../../../commands/parity/fixtures.ts';
import { mul, sum } from '../../../src/kernels/index.ts';
import { preprocess } from '../../../src/reno/rewards/preprocess.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { compile } from '../../../src/tensor/plan/compile.ts';
import { at } from '../../../src/tensor/types.ts';
import { gradients } from '../../../src/tensor/vjp.ts';
import { testDevice } from '../../support/test_device.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => device.destroy());

describe('preprocess', () => {
  it.each(['down', 'wide', 'tall', 'up'])('equals torch: %s', async (name) => {
    const fixture = await Fixture.open('preprocess');
    const graph = new Graph();
    const image = graph.input('image', fixture.shape(`${name}.image`), 'step');
    const r = graph.input('r', fixture.shape(`${name}.r`), 'step');
    const pixels = preprocess(image, at(fixture.shape(`${name}.pixels`), 1));
    const [gradient] = gradients(sum(mul(pixels, r)), [image]);
    using plan = await compile(device, { outputs: { pixels, gradient } });
    plan.write('image', await fixture.values(`${name}.image`));
    plan.write('r', await fixture.values(`${name}.r`));
    plan.run('load');
    plan.run('step');
    expect(nmse(await plan.read('pixels'), await fixture.values(`${name}.pixels`))).toBeLessThanOrEqual(1e-11);
    expect(nmse(await plan.read('gradient'), await fixture.values(`${name}.gradient`))).toBeLessThanOrEqual(1e-11);
  });

  it('is traced once for two rewards of one size', () => {
    const graph = new Graph();
    const image = graph.input('image', [1, 8, 8, 3], 'step');
    expect(preprocess(image, 5).node).toBe(preprocess(image, 5).node);
  });

  it('leaves a picture of the right size uncut and unsampled', () => {
    const graph = new Graph();
    const image = graph.input('image', [1, 8, 8, 3], 'step');
    preprocess(image, 8);
    expect(graph.nodes.map((n) => n.op?.name)).not.toContain('resize_bicubic');
  });
});
