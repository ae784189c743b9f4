/** Every VJP of every case against central differences, both in f64 on the interpreter. */
import { describe, expect, it } from 'vitest';
import '../../src/kernels/index.ts';
import { nmse } from '../../commands/common/distances.ts';
import { allOps } from '../../src/tensor/op.ts';
import { gradientPair } from '../support/op_runner.ts';

for (const op of allOps().values()) {
  if (!op.vjp || op.cases.every((c) => c.grad?.length === 0)) {
    continue;
  }
  describe(op.name, () => {
    op.cases.forEach((c, index) => {
      const label = c.name ?? c.inputs.map((i) => `${i.dtype ?? 'f32'}[${i.shape.join(',')}]`).join(' ');
      if (c.grad?.length === 0) {
        return;
      }
      it(`#${index} ${label}`, () => {
        const { vjp, differences, wrt } = gradientPair(op, c);
        wrt.forEach((input, i) => {
          expect(nmse(vjp[i] ?? [], differences[i] ?? []), `input ${input}`).toBeLessThanOrEqual(1e-10);
        });
      });
    });
  });
}
