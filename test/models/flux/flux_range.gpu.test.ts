/** FLUX's residual stream goes beyond f16; diffusers clips it there, so that it is neither infinite nor NaN. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CASES } from '../../../commands/parity/cases/flux_cases.ts';
import { computed, type Values } from '../../../commands/parity/golden.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { testDevice } from '../../support/test_device.ts';

/** The block's branch becomes as large as the residual stream is; the cotangent small, so that gradients stay within f16. */
const FACTORS: Readonly<Record<string, number>> = {
  'golden.input': 15000,
  'weights.weights.proj_out.weight': 50000,
  'golden.cotangent': 1e-4,
};

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => device.gpu.destroy());

async function overflowing(precision: 'f32' | 'f16'): Promise<Values> {
  const network = await CASES['FLUX single block']?.(precision);
  if (!network) {
    throw new Error('there is no such case');
  }
  const feeds = new Map<string, ArrayLike<number>>();
  for (const [name, values] of network.feeds) {
    const factor = FACTORS[name] ?? 1;
    feeds.set(
      name,
      Array.from(values, (x) => x * factor),
    );
  }
  return computed(device, { ...network, feeds });
}

it('a residual stream beyond f16 is clipped', async ({ skip }) => {
  if (!device.caps.f16) {
    skip('the adapter has no shader-f16');
  }
  const wide = await overflowing('f32');
  const half = await overflowing('f16');
  const beyond = Array.from(wide.output).filter((x) => Math.abs(x) > 65520);
  expect(beyond.length).toBeGreaterThan(0);
  expect(Array.from(half.output).every(Number.isFinite)).toBe(true);
  expect(Math.max(...Array.from(half.output, Math.abs))).toBe(65504);
  expect(Array.from(half.gradient).every(Number.isFinite)).toBe(true);
  expect(Array.from(half.gradient).some((g) => g !== 0)).toBe(true);
});
