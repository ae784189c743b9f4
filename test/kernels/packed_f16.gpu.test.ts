/** Adapters without shader-f16: f16 tensors are read and written packed in u32. Every case with f16 that has a variant. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import '../../src/kernels/index.ts';
import { nmse } from '../../commands/common/distances.ts';
import { called, runCase, supported } from '../../src/kernels/check/run_case.ts';
import type { Device } from '../../src/tensor/device.ts';
import { allOps } from '../../src/tensor/op.ts';
import { testDevice } from '../support/test_device.ts';

let device: Device;

beforeAll(async () => {
  device = await testDevice({ without: ['shader-f16'] });
});

afterAll(() => {
  device.destroy();
});

for (const op of allOps().values()) {
  const cases = op.cases.filter((c) => c.inputs.some((i) => i.dtype === 'f16'));
  if (cases.length === 0 || op.isView) {
    continue;
  }
  describe(op.name, () => {
    cases.forEach((c, index) => {
      it(`#${index} ${c.name ?? ''}`, async () => {
        const usable = op.variants.map(({ name }) => name).filter((v) => supported(device, op, c, v));
        // Activations in f16 are refused on such an adapter, so an op may have no variant that stores them.
        const storesHalf = called(op, c).outputs.some(({ dtype }) => dtype === 'f16');
        expect(usable.length > 0 || storesHalf).toBe(true);
        for (const variant of usable) {
          const { actual, expected } = await runCase(device, op, c, variant);
          expected.forEach((e, i) => {
            expect(nmse(actual[i] ?? [], e), `${variant}, output ${i}`).toBeLessThanOrEqual(c.nmse ?? 1e-6);
          });
        }
      });
    });
  });
}
