/** Winograd's convolution where the scratch holds fewer tiles than there are: four parts on CPU drivers, two on GPUs. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import '../../../src/kernels/index.ts';
import { nmse } from '../../../commands/common/distances.ts';
import { runVariant, supported } from '../../../src/kernels/check/run_case.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { opNamed } from '../../../src/tensor/op.ts';
import type { OpCase } from '../../../src/tensor/op_case.ts';
import { testDevice } from '../../support/test_device.ts';

let device: Device;

beforeAll(async () => {
  device = await testDevice();
});

afterAll(() => {
  device.destroy();
});

const CASE: OpCase = {
  name: '99 tiles of 1280 channels',
  inputs: [{ shape: [1, 41, 33, 32] }, { shape: [3, 3, 32, 1280] }, { shape: [1280] }],
  attrs: { stride: 1, padding: [1, 1, 1, 1], bias: true, residual: false },
};

/** The naive variant is compared with f64 elsewhere; here that would take minutes. */
it('gives what the naive variant gives', { timeout: 120_000 }, async () => {
  const op = opNamed('conv2d');
  const { actual: expected } = await runVariant(device, op, CASE, 'naive');
  // winograd_cpu needs subgroups of 8.
  for (const variant of ['winograd_cpu', 'winograd_gpu'].filter((name) => supported(device, op, CASE, name))) {
    const { actual } = await runVariant(device, op, CASE, variant);
    expect(nmse(actual[0] ?? [], Float64Array.from(expected[0] ?? [])), variant).toBeLessThanOrEqual(1e-10);
  }
});
