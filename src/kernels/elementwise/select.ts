/** select(condition, a, b): a where condition ≠ 0, else b; broadcasts. */
import type { Tensor } from '../../tensor/tensor.ts';
import { at } from '../../tensor/types.ts';
import { unbroadcast } from '../common/unbroadcast.ts';
import { defineElementwise } from './elementwise.ts';

type None = Record<string, never>;

const selectOp = defineElementwise<None>({
  name: 'select',
  arity: 3,
  expression: 'select(c, b, a != T(0.0))',
  f64: (_, condition, a, b) => (condition !== 0 ? a : b),
  vjp: ({ inputs, dy }) => {
    const [condition, a, b] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)];
    const zero = dy.graph.scalar(0);
    return [
      null,
      () => unbroadcast(select(condition, dy, zero), a.shape),
      () => unbroadcast(select(condition, zero, dy), b.shape),
    ];
  },
  cases: [
    {
      name: 'odd',
      inputs: [{ shape: [3, 5], fill: 'mask' }, { shape: [3, 5] }, { shape: [3, 5] }],
      attrs: {},
      grad: [1, 2],
    },
    {
      name: 'rows',
      inputs: [{ shape: [3, 1], fill: 'mask' }, { shape: [3, 8] }, { shape: [] }],
      attrs: {},
      grad: [1, 2],
    },
  ],
});

/** a where `condition` is not 0, else b. Shapes broadcast. */
export const select = (condition: Tensor, a: Tensor, b: Tensor): Tensor => selectOp.one([condition, a, b], {});
