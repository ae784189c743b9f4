/** Which products `packed_f16` takes, without a GPU. */
import { expect, it } from 'vitest';
import { opNamed } from '../../../src/tensor/op.ts';
import '../../../src/kernels/index.ts';
import type { DeviceCaps } from '../../../src/tensor/device/device_caps.ts';
import { chooseVariant } from '../../../src/tensor/tuning/choose.ts';
import type { DType } from '../../../src/tensor/types.ts';

const GPU: DeviceCaps = {
  f16: true,
  subgroups: true,
  subgroupMinSize: 32,
  subgroupMaxSize: 32,
  software: false,
  maxWorkgroupStorage: 32768,
  maxInvocations: 1024,
  maxStorageBuffers: 16,
};

const choice = (a: DType, b: DType, caps: DeviceCaps = GPU, n = 64) =>
  chooseVariant(
    opNamed('matmul'),
    {
      inputs: [
        { dtype: a, shape: [64, 64] },
        { dtype: b, shape: [64, n] },
      ],
      outputs: [{ dtype: a, shape: [64, n] }],
      attrs: { bias: false, residual: false },
    },
    caps,
  );

it('is offered for f16 operands, and never first', () => {
  const { variant, candidates } = choice('f16', 'f16');
  expect(candidates).toContain('packed_f16');
  expect(variant).toBe('gpu_tile');
});

it('is not offered for f32 operands, without shader-f16, beside matrix units, or where columns do not come in fours', () => {
  const matrices = [{ component: 'f16', result: 'f32', m: 16, n: 16, k: 16 }] as const;
  for (const { candidates } of [
    choice('f32', 'f16'),
    choice('f16', 'f32'),
    choice('f16', 'f16', { ...GPU, f16: false }),
    choice('f16', 'f16', { ...GPU, subgroupMatrices: matrices }),
    choice('f16', 'f16', GPU, 63),
  ]) {
    expect(candidates).not.toContain('packed_f16');
  }
});
