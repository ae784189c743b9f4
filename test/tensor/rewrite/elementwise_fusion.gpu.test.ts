/** Every elementwise op inside a fused chain: its expression must stand alone, and give what the op gives. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nmse } from '../../../commands/common/distances.ts';
import { trace } from '../../../src/kernels/check/run_case.ts';
import { affine } from '../../../src/kernels/index.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { interpret } from '../../../src/tensor/interpreter.ts';
import { allOps } from '../../../src/tensor/op.ts';
import { compile } from '../../../src/tensor/plan/compile.ts';
import { at } from '../../../src/tensor/types.ts';
import { testDevice } from '../../support/test_device.ts';

let device: Device;

beforeAll(async () => {
  device = await testDevice();
});

afterAll(() => {
  device.destroy();
});

for (const op of allOps().values()) {
  if (!op.pointwise) {
    continue;
  }
  // One operator goes through every way of broadcasting; the others differ from it in their expression only.
  op.cases.slice(0, op.name === 'sub' ? undefined : 1).forEach((c, index) => {
    const { outputs, inputs } = trace(op, c);
    if ([...inputs, ...outputs].some((t) => t.dtype !== 'f32')) {
      return;
    }
    it(`${op.name} #${index} ${c.name ?? ''}`, async () => {
      const { outputs, feeds } = trace(op, c);
      const y = affine(at(outputs, 0), 0.5, 0.25);
      const plan = await compile(device, { outputs: { y } });
      try {
        expect(plan.summary.dispatches.step).toBe(1);
        for (const [name, data] of feeds) {
          plan.write(name, data);
        }
        plan.run('step');
        expect(nmse(await plan.read('y'), at(interpret([y], feeds), 0))).toBeLessThanOrEqual(1e-7);
      } finally {
        plan.destroy();
      }
    });
  });
}
