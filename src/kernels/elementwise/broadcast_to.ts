/** broadcastTo(x, shape): x repeated along its axes of size 1, NumPy rules. */
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import { at, broadcastShapes, sameShape } from '../../tensor/types.ts';
import { unbroadcast } from '../common/unbroadcast.ts';
import { defineElementwise } from './elementwise.ts';

type BroadcastTo = { readonly shape: readonly number[] };

const broadcastToOp = defineElementwise<BroadcastTo>({
  name: 'broadcast_to',
  arity: 1,
  expression: 'a',
  f64: (_, a) => a,
  shape: (operand, { shape }) => {
    if (!sameShape(broadcastShapes(operand, shape), shape)) {
      throw new RangeError(`[${operand.join(',')}] does not broadcast to [${shape.join(',')}]`);
    }
    return shape;
  },
  vjp: ({ inputs, dy }) => [() => unbroadcast(dy, at(inputs, 0).shape)],
  flops: 0,
  cases: [
    { name: 'scalar', inputs: [{ shape: [] }], attrs: { shape: [3, 8] } },
    { name: 'rows', inputs: [{ shape: [3, 1] }], attrs: { shape: [2, 3, 8] } },
    { name: 'columns odd', inputs: [{ shape: [5] }], attrs: { shape: [3, 5] } },
    { name: 'middle', inputs: [{ shape: [2, 1, 4] }], attrs: { shape: [2, 3, 4] } },
    { name: 'f16', inputs: [{ shape: [1, 8], dtype: 'f16' }], attrs: { shape: [3, 8] } },
  ],
});

/** x repeated along its axes of size 1, by NumPy rules. @throws RangeError when it does not broadcast to `shape` */
export const broadcastTo = (x: Tensor, shape: Shape): Tensor =>
  sameShape(x.shape, shape) ? x : broadcastToOp.one([x], { shape: [...shape] });
