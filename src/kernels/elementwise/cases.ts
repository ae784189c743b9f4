/** Test cases of elementwise ops, by the number of operands. */
import type { Attrs } from '../../tensor/op.ts';
import type { CaseInput, OpCase } from '../../tensor/op_case.ts';
import type { DType, Shape } from '../../tensor/types.ts';

/** Cases for ops of one operand: odd and even sizes, f16. */
export function unaryCases<A extends Attrs>(attrs: A, fill: NonNullable<CaseInput['fill']> = 'normal'): OpCase<A>[] {
  return [
    { name: 'odd', inputs: [{ shape: [3, 5, 7], fill }], attrs },
    { name: 'vec4', inputs: [{ shape: [2, 5, 8], fill }], attrs },
    { name: 'f16', inputs: [{ shape: [3, 8], dtype: 'f16', fill }], attrs },
    { name: 'scalar', inputs: [{ shape: [], fill }], attrs },
  ];
}

/** Cases for ops of two operands that share every kernel but the expression with one that has all of binaryCases. */
export function fewBinaryCases<A extends Attrs>(attrs: A): OpCase<A>[] {
  return binaryCases(attrs, ['normal', 'normal']).filter(({ name }) =>
    ['same odd', 'bias', 'both broadcast'].includes(name ?? ''),
  );
}

/** Cases for ops of two operands: each kind of broadcasting that the kernels distinguish. */
export function binaryCases<A extends Attrs>(
  attrs: A,
  fills: readonly [NonNullable<CaseInput['fill']>, NonNullable<CaseInput['fill']>],
): OpCase<A>[] {
  const [fa, fb] = fills;
  const pair = (name: string, a: Shape, b: Shape, da: DType = 'f32', db: DType = 'f32'): OpCase<A> => ({
    name,
    inputs: [
      { shape: a, dtype: da, fill: fa },
      { shape: b, dtype: db, fill: fb },
    ],
    attrs,
  });
  return [
    pair('same odd', [3, 5, 7], [3, 5, 7]),
    pair('same vec4', [2, 3, 4], [2, 3, 4]),
    pair('bias', [2, 3, 8], [8]),
    pair('bias odd', [2, 3, 5], [5]),
    pair('scalar', [2, 8], []),
    pair('scalar first', [], [2, 8]),
    pair('one a row', [2, 3, 8], [2, 3, 1]),
    pair('one vector an image', [2, 3, 2, 4], [2, 1, 1, 4]),
    pair('both broadcast', [3, 1, 4], [5, 1]),
    pair('six dimensions', [2, 1, 3, 1, 2, 3], [1, 2, 1, 2, 1, 3]),
    pair('f16 weight', [3, 8], [8], 'f32', 'f16'),
    pair('f16', [3, 8], [3, 8], 'f16', 'f16'),
  ];
}
