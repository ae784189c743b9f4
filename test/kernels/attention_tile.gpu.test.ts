/** The kernels for GPUs, which CPU drivers do not choose: run here by calling the adapter a GPU. More than a tile and a slice. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import '../../src/kernels/index.ts';
import { Device } from '../../src/tensor/device.ts';
import type { CaseInput } from '../../src/tensor/op.ts';
import { opNamed } from '../../src/tensor/op.ts';
import { testDevice } from '../support/gpu.ts';
import { nmse } from '../support/numbers.ts';
import { runCase, supported } from '../support/op_runner.ts';

let device: Device;

beforeAll(async () => {
  const real = await testDevice();
  device = new Device(real.gpu, { ...real.caps, software: false }, real.info);
});

afterAll(() => {
  device.destroy();
});

const MINUTES = 600_000;
const attrs = { heads: 2, scale: 0.35, causal: true, mask: true };
const [batch, tokens, width] = [2, 39, 80];
const mask: CaseInput = { shape: [batch, tokens], fill: 'mask' };
const qkv: CaseInput = { shape: [batch, tokens, 3 * width] };
const cross = { heads: 1, scale: 0.35, causal: false, mask: false };
const q: CaseInput = { shape: [1, 35, 8] };
const kv: CaseInput = { shape: [1, 67, 16] };

const CASES = {
  'packed, causal, key mask': [{ op: 'attention', inputs: [qkv, mask], attrs }],
  'packed kv': [{ op: 'attention', inputs: [q, kv], attrs: cross }],
};

describe.each(Object.entries(CASES))('%s', (_, cases) => {
  it.each(cases)('$op', { timeout: MINUTES }, async ({ op, inputs, attrs }) => {
    const c = { inputs, attrs };
    expect(supported(device, opNamed(op), c, 'v3')).toBe(true);
    const { actual, expected } = await runCase(device, opNamed(op), c, 'v3');
    expected.forEach((e, i) => {
      expect(nmse(actual[i] ?? [], e), `output ${i}`).toBeLessThanOrEqual(1e-7);
    });
  });
});
