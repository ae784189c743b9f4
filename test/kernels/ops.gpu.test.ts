/** Registry-driven: every op × variant × case against the f64 interpreter. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { valueTests } from '../../src/kernels/check/check_op.ts';
import '../../src/kernels/index.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { allOps } from '../../src/tensor/op.ts';
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
    it.for(valueTests(op))('$name', async ({ bound, run }, context) => {
      const errors = (await run(device)) ?? context.skip('the variant does not support this case');
      expect(errors.length).toBeGreaterThan(0);
      errors.forEach((error, i) => {
        expect(error, `output ${i}`).toBeLessThanOrEqual(bound);
      });
    });
  });
}
