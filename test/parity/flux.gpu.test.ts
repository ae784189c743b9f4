import { afterAll, beforeAll, describe, it } from 'vitest';
import type { Device } from '../../src/tensor/device.ts';
import { compile } from '../../src/tensor/plan.ts';
import { expectClose } from '../support/golden.ts';
import { testDevice } from '../support/gpu.ts';
import { FLUX_CASES } from './cases/flux.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => device.gpu.destroy());

describe('through a plan, as PyTorch', () => {
  it.each(Object.entries(FLUX_CASES))('%s', async (_, make) => {
    const network = await make();
    const { output, gradient, feeds } = network;
    using plan = await compile(device, { outputs: { output, gradient } });
    for (const [name, values] of feeds) {
      plan.write(name, values);
    }
    plan.run('load');
    plan.run('prompt');
    plan.run('step');
    expectClose({ output: await plan.read('output'), gradient: await plan.read('gradient') }, network);
  });
});
