/** Every VJP of every case against central differences, both in f64 on the interpreter. */
import { describe, expect, it } from 'vitest';
import { gradientTests } from '../../src/kernels/check/check_op.ts';
import '../../src/kernels/index.ts';
import { allOps } from '../../src/tensor/op.ts';

for (const op of allOps().values()) {
  const tests = gradientTests(op);
  if (tests.length === 0) {
    continue;
  }
  describe(op.name, () => {
    it.each(tests)('$name', ({ bound, run }) => {
      const errors = run();
      expect(errors.length).toBeGreaterThan(0);
      errors.forEach((error, i) => {
        expect(error, `gradient ${i}`).toBeLessThanOrEqual(bound);
      });
    });
  });
}
