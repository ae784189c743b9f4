/** Registry-driven: every op × variant × case against the f64 interpreter. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import '../../src/kernels/index.ts';
import { nmse } from '../../commands/common/distances.ts';
import type { Device } from '../../src/tensor/device.ts';
import { allOps } from '../../src/tensor/op.ts';
import { runCase, supported } from '../support/op_runner.ts';
import { testDevice } from '../support/test_device.ts';

let device: Device;

beforeAll(async () => {
  device = await testDevice();
});

afterAll(() => {
  device.destroy();
});

for (const op of allOps().values()) {
  describe(op.name, () => {
    it('has cases', () => {
      expect(op.cases.length).toBeGreaterThan(0);
    });
    op.cases.forEach((c, index) => {
      const label = c.name ?? c.inputs.map((i) => `${i.dtype ?? 'f32'}[${i.shape.join(',')}]`).join(' ');
      const bound = c.nmse ?? (c.inputs.some((i) => i.dtype === 'f16') ? 1e-6 : 1e-7);
      for (const variant of op.variants.map(({ name }) => name)) {
        it(`${variant} #${index} ${label}`, async (context) => {
          if (!supported(device, op, c, variant)) {
            context.skip(`${variant} does not support this case`);
          }
          const { actual, expected } = await runCase(device, op, c, variant);
          expected.forEach((e, i) => {
            expect(nmse(actual[i] ?? [], e), `output ${i}`).toBeLessThanOrEqual(bound);
          });
        });
      }
    });
  });
}
