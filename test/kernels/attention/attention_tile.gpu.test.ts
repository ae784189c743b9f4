/** The kernels for GPUs, which CPU drivers do not choose: run here by calling the adapter a GPU. More than a tile and a slice. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import '../../../src/kernels/index.ts';
import { nmse } from '../../../commands/common/distances.ts';
import { runCase, supported } from '../../../src/kernels/check/run_case.ts';
import { Device } from '../../../src/tensor/device/device.ts';
import { opNamed } from '../../../src/tensor/op.ts';
import type { CaseInput, OpCase } from '../../../src/tensor/op_case.ts';
import { testDevice } from '../../support/test_device.ts';

let device: Device;

beforeAll(async () => {
  const real = await testDevice();
  device = new Device(real.gpu, { ...real.caps, software: false }, real.info);
});

afterAll(() => {
  device.destroy();
});

const MINUTES = 600_000;
const both = { heads: 2, scale: 0.35, causal: true, mask: true };
// Heads of 68: three slices, the last one in part.
const [batch, tokens, width] = [2, 39, 136];
const mask: CaseInput = { shape: [batch, tokens], fill: 'mask' };
const y: CaseInput = { shape: [batch, tokens, width] };
const qkv: CaseInput = { shape: [batch, tokens, 3 * width] };
const lse: CaseInput = { shape: [batch, 2, tokens] };
const cross = { heads: 1, scale: 0.35, causal: false, mask: false };
const q: CaseInput = { shape: [1, 35, 8] };
const kv: CaseInput = { shape: [1, 67, 16] };
const row: CaseInput = { shape: [1, 1, 35] };

/** Each is a pipeline that takes this driver's compiler 5 to 20 seconds; two slices, which it unrolls, take it 75. */
const CASES: readonly { readonly op: string; readonly c: OpCase }[] = [
  { op: 'attention', c: { name: 'packed, causal, key mask', inputs: [qkv, mask], attrs: both } },
  { op: 'attention', c: { name: 'packed kv', inputs: [q, kv], attrs: cross } },
  {
    op: 'attention_backward',
    c: { name: 'packed, causal, key mask', inputs: [qkv, y, y, lse, mask], attrs: { ...both, gradients: 'all' } },
  },
  {
    op: 'attention_backward',
    c: { name: 'packed kv for queries', inputs: [q, kv, q, q, row], attrs: { ...cross, gradients: 'query' } },
  },
];

it.each(CASES)('$op: $c.name', { timeout: MINUTES }, async ({ op, c }) => {
  expect(supported(device, opNamed(op), c, 'gpu_tile')).toBe(true);
  const { actual, expected } = await runCase(device, opNamed(op), c, 'gpu_tile');
  expected.forEach((e, i) => {
    expect(nmse(actual[i] ?? [], e), `output ${i}`).toBeLessThanOrEqual(1e-7);
  });
});
