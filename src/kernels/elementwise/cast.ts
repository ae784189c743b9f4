/** cast(x, dtype): to i32 by truncation. The gradient is cast back to x's dtype. */
import { giveCotangentOps } from '../../tensor/cotangent_ops.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { DType } from '../../tensor/types.ts';
import { at } from '../../tensor/types.ts';
import { defineElementwise } from './elementwise.ts';

type Cast = { readonly dtype: DType };

const castOp = defineElementwise<Cast>({
  name: 'cast',
  arity: 1,
  expression: 'a',
  // f16 is storage: the reference does not round to it.
  f64: ({ dtype }, a) => (dtype === 'i32' ? Math.trunc(a) : a),
  dtype: ({ dtype }) => dtype,
  vjp: ({ inputs, attrs, dy }) => {
    const { dtype } = at(inputs, 0);
    return [attrs.dtype === 'i32' || dtype === 'i32' ? null : () => cast(dy, dtype)];
  },
  flops: 0,
  cases: [
    { name: 'to f16', inputs: [{ shape: [3, 8] }], attrs: { dtype: 'f16' }, nmse: 1e-6 },
    { name: 'to f16 odd', inputs: [{ shape: [3, 5] }], attrs: { dtype: 'f16' }, nmse: 1e-6 },
    { name: 'from f16', inputs: [{ shape: [3, 8], dtype: 'f16' }], attrs: { dtype: 'f32' } },
    { name: 'to i32', inputs: [{ shape: [3, 5], scale: 10 }], attrs: { dtype: 'i32' }, grad: [] },
    { name: 'from i32', inputs: [{ shape: [3, 8], dtype: 'i32', fill: 'ids', below: 99 }], attrs: { dtype: 'f32' } },
  ],
});

/** x as `dtype`: i32 by truncation. The gradient is cast back to the dtype of x. */
export const cast = (x: Tensor, dtype: DType): Tensor => (x.dtype === dtype ? x : castOp.one([x], { dtype }));

giveCotangentOps({ cast });
