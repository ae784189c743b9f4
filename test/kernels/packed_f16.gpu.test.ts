/** Adapters without shader-f16: f16 tensors are read and written packed in u32. Every case with f16 that has a variant. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import '../../src/kernels/index.ts';
import { nmse } from '../../commands/common/distances.ts';
import { runVariant, supported, trace } from '../../src/kernels/check/run_case.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { interpret } from '../../src/tensor/interpreter.ts';
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
        const { outputs, feeds } = trace(op, c);
        expect(usable.length > 0 || outputs.some(({ dtype }) => dtype === 'f16')).toBe(true);
        const expected = interpret(outputs, feeds);
        for (const variant of usable) {
          const { actual } = await runVariant(device, op, c, variant);
          expected.forEach((e, i) => {
            expect(nmse(actual[i] ?? [], e), `${variant}, output ${i}`).toBeLessThanOrEqual(c.nmse ?? 1e-6);
          });
        }
      });
    });
  });
}
