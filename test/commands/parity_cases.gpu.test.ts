import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CASES, caseAt } from '../../commands/parity/cases/index.ts';
import { computed, distance, holds } from '../../commands/parity/golden.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { expectClose } from '../support/expect_close.ts';
import { testDevice } from '../support/test_device.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => device.gpu.destroy());

describe('through a plan, as PyTorch', () => {
  it.each(Object.keys(CASES))('f32: %s', async (name) => {
    const network = await caseAt(name, 'f32');
    expectClose(await computed(device, network), network);
  });

  it.for(Object.keys(CASES))('f16: %s', async (name, { skip }) => {
    if (!device.caps.f16) {
      skip('the adapter has no shader-f16');
    }
    const network = await caseAt(name, 'f16');
    const found = distance(await computed(device, network), network.expected);
    expect(holds(found, 'f16'), JSON.stringify(found)).toBe(true);
  });
});
