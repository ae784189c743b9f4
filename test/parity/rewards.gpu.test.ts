/** The five rewards through a plan against the public libraries. */
import { afterAll, beforeAll, describe, it } from 'vitest';
import type { Device } from '../../src/tensor/device.ts';
import { compile } from '../../src/tensor/plan.ts';
import { expectClose } from '../support/golden.ts';
import { testDevice } from '../support/gpu.ts';
import { REWARD_CASES } from './cases/rewards.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => device.destroy());

describe('as the public libraries', () => {
  it.each(Object.entries(REWARD_CASES))('%s', async (_, make) => {
    const reward = await make('f32');
    const { output, gradient, feeds } = reward;
    using plan = await compile(device, { outputs: { output, gradient } });
    for (const [name, values] of feeds) {
      plan.write(name, values);
    }
    plan.run('load');
    plan.run('prompt');
    plan.run('step');
    expectClose({ output: await plan.read('output'), gradient: await plan.read('gradient') }, reward, 1e-9);
  });
});
