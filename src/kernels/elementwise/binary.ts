/**
 * Elementwise ops of two operands, with NumPy broadcasting; either may be a number.
 * All exports of this file are public: to add an op, add its definition and its function here.
 */
import { giveCotangentOps } from '../../tensor/cotangent_ops.ts';
import type { Op } from '../../tensor/op.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { at, broadcastShapes, sameShape } from '../../tensor/types.ts';
import { unbroadcast } from '../common/unbroadcast.ts';
import { binaryCases, fewBinaryCases } from './cases.ts';
import { defineElementwise } from './elementwise.ts';
import { neg } from './unary.ts';

type None = Record<string, never>;
const NONE: None = {};

/** A tensor, or a number that becomes an f32 constant. At least one operand of an op must be a tensor. */
export type Operand = Tensor | number;

function apply(op: Op<None>, a: Operand, b: Operand): Tensor {
  if (typeof a === 'number') {
    if (typeof b === 'number') {
      throw new TypeError(`${op.name}(${a}, ${b}): one operand must be a tensor`);
    }
    return op.one([b.graph.scalar(a), b], NONE);
  }
  return op.one([a, typeof b === 'number' ? a.graph.scalar(b) : b], NONE);
}

const addOp = defineElementwise<None>({
  name: 'add',
  arity: 2,
  expression: 'a + b',
  f64: (_, a, b) => a + b,
  vjp: ({ inputs, dy }) => inputs.map((t) => () => unbroadcast(dy, t.shape)),
  cases: fewBinaryCases(NONE),
});

/** a + b. */
export const add = (a: Operand, b: Operand): Tensor => apply(addOp, a, b);

giveCotangentOps({ add });

const subOp = defineElementwise<None>({
  name: 'sub',
  arity: 2,
  expression: 'a - b',
  f64: (_, a, b) => a - b,
  vjp: ({ inputs, dy }) => [
    () => unbroadcast(dy, at(inputs, 0).shape),
    () => neg(unbroadcast(dy, at(inputs, 1).shape)),
  ],
  cases: binaryCases(NONE, ['normal', 'normal']),
});

/** a - b. */
export const sub = (a: Operand, b: Operand): Tensor => apply(subOp, a, b);

const mulOp = defineElementwise<None>({
  name: 'mul',
  arity: 2,
  expression: 'a * b',
  f64: (_, a, b) => a * b,
  vjp: ({ inputs, dy }) => {
    const [a, b] = [at(inputs, 0), at(inputs, 1)];
    return [() => unbroadcast(mul(dy, b), a.shape), () => unbroadcast(mul(dy, a), b.shape)];
  },
  cases: fewBinaryCases(NONE),
});

/** a · b, element by element. */
export function mul(a: Operand, b: Operand): Tensor {
  if (typeof a !== 'number' && typeof b !== 'number') {
    // Every gradient begins with a product by ones.
    for (const [ones, other] of [[a, b] as const, [b, a] as const]) {
      const fits = other.dtype === 'f32' && isOnes(ones);
      if (fits && sameShape(broadcastShapes(ones.shape, other.shape), other.shape)) {
        return other;
      }
    }
  }
  return apply(mulOp, a, b);
}

/** Whether it is the constant 1 in every place, whatever its shape was made by. */
function isOnes({ node }: Tensor): boolean {
  const source = node.op?.isView || node.op?.name === 'broadcast_to' ? node.inputs[0] : undefined;
  return source ? isOnes(source) : (node.data?.every((v) => v === 1) ?? false);
}

const divOp = defineElementwise<None>({
  name: 'div',
  arity: 2,
  expression: 'a / b',
  f64: (_, a, b) => a / b,
  vjp: ({ inputs, outputs, dy }) => {
    const [a, b, y] = [at(inputs, 0), at(inputs, 1), at(outputs, 0)];
    return [() => unbroadcast(div(dy, b), a.shape), () => neg(unbroadcast(div(mul(dy, y), b), b.shape))];
  },
  cases: binaryCases(NONE, ['normal', 'positive']),
});

/** a / b. */
export const div = (a: Operand, b: Operand): Tensor => apply(divOp, a, b);

/** dy where the first operand was chosen, half of it at a tie (as torch.maximum). */
const chosen = (name: string, sign: '<' | '>', wins: (a: number, b: number) => boolean): Op<None> =>
  defineElementwise<None>({
    name,
    arity: 3,
    expression: `c * (0.5 * (select(T(0.0), T(1.0), a ${sign} b) + select(T(0.0), T(1.0), a ${sign}= b)))`,
    f64: (_, a, b, dy) => (a === b ? dy / 2 : wins(a, b) ? dy : 0),
    flops: 3,
    cases: [{ name: 'odd', inputs: [{ shape: [3, 5] }, { shape: [5] }, { shape: [3, 5] }], attrs: NONE }],
  });

const largerBackward = chosen('maximum_backward', '>', (a, b) => a > b);
const smallerBackward = chosen('minimum_backward', '<', (a, b) => a < b);

const maximumOp = defineElementwise<None>({
  name: 'maximum',
  arity: 2,
  expression: 'max(a, b)',
  f64: (_, a, b) => Math.max(a, b),
  vjp: ({ inputs, dy }) => {
    const [a, b] = [at(inputs, 0), at(inputs, 1)];
    return [
      () => unbroadcast(largerBackward.one([a, b, dy], NONE), a.shape),
      () => unbroadcast(largerBackward.one([b, a, dy], NONE), b.shape),
    ];
  },
  cases: fewBinaryCases(NONE),
});

/** The larger of a and b. At a tie each has half of the gradient, as in torch.maximum. */
export const maximum = (a: Operand, b: Operand): Tensor => apply(maximumOp, a, b);

const minimumOp = defineElementwise<None>({
  name: 'minimum',
  arity: 2,
  expression: 'min(a, b)',
  f64: (_, a, b) => Math.min(a, b),
  vjp: ({ inputs, dy }) => {
    const [a, b] = [at(inputs, 0), at(inputs, 1)];
    return [
      () => unbroadcast(smallerBackward.one([a, b, dy], NONE), a.shape),
      () => unbroadcast(smallerBackward.one([b, a, dy], NONE), b.shape),
    ];
  },
  cases: fewBinaryCases(NONE),
});

/** The smaller of a and b. At a tie each has half of the gradient, as in torch.minimum. */
export const minimum = (a: Operand, b: Operand): Tensor => apply(minimumOp, a, b);

const lessOp = defineElementwise<None>({
  name: 'less',
  arity: 2,
  expression: 'select(T(0.0), T(1.0), a < b)',
  f64: (_, a, b) => (a < b ? 1 : 0),
  vjp: () => [null, null],
  dtype: () => 'f32',
  cases: [
    ...fewBinaryCases(NONE).map((c) => ({ ...c, grad: [] })),
    {
      name: 'integers',
      inputs: [
        { shape: [4, 8], dtype: 'i32', fill: 'ids', below: 5 },
        { shape: [8], dtype: 'i32', fill: 'ids', below: 5 },
      ],
      attrs: NONE,
      grad: [],
    },
  ],
});

/** 1 where a < b, else 0, in f32. It has no gradient. */
export const less = (a: Operand, b: Operand): Tensor => apply(lessOp, a, b);
