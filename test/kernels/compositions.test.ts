/** A fused op is its composition in basic ops: the same value and the same gradients, in f64 on the interpreter. */
import { describe, expect, it } from 'vitest';
import { nmse } from '../../commands/common/distances.ts';
import { fill } from '../../src/kernels/check/case_values.ts';
import { trace } from '../../src/kernels/check/run_case.ts';
import { mul, sum } from '../../src/kernels/index.ts';
import { interpret } from '../../src/tensor/interpreter.ts';
import { allOps } from '../../src/tensor/op.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { at } from '../../src/tensor/types.ts';
import { gradients } from '../../src/tensor/vjp.ts';

const fused = [...allOps().values()].filter((op) => op.composition !== undefined);

it('the fused ops name their composition', () => {
  expect(fused.map((op) => op.name)).toEqual(expect.arrayContaining(['softmax', 'layer_norm', 'group_norm', 'geglu']));
});

for (const op of fused) {
  describe(op.name, () => {
    op.cases.forEach((c, index) => {
      it(`#${index} ${c.name ?? ''}`, () => {
        const { inputs, outputs, feeds } = trace(op, c);
        const wrt = inputs.filter((t, i) => c.grad?.includes(i) ?? t.dtype !== 'i32');
        const all = (y: Tensor): Tensor[] => {
          const cotangent = y.graph.constant(fill({ shape: y.shape }, 5), y.shape);
          return [y, ...gradients(sum(mul(y, cotangent)), wrt)];
        };
        const composed = op.composition?.(inputs, c.attrs);
        const ours = interpret(all(at(outputs, 0)), feeds);
        const theirs = interpret(composed ? all(composed) : [], feeds);
        expect(ours.length).toBe(1 + wrt.length);
        ours.forEach((value, i) => {
          expect(nmse(at(theirs, i), value), i === 0 ? 'value' : `gradient ${i - 1}`).toBeLessThanOrEqual(1e-20);
        });
      });
    });
  });
}
