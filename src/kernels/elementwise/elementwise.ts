/** Elementwise ops with NumPy broadcasting, rank <= 6: one definition (expression, f64 function, VJP) makes the whole op. */
import type { Attrs, Op, VjpSite } from '../../tensor/op.ts';
import { defineOp } from '../../tensor/op.ts';
import type { OpCase } from '../../tensor/op_case.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { DType, Shape } from '../../tensor/types.ts';
import { at, broadcastShapes, sizeOf } from '../../tensor/types.ts';
import { elementCost, resultDType } from '../common/site.ts';
import { forEachInNest } from '../common/strided.ts';
import { nestOf } from './kernel.ts';
import { naive } from './naive.ts';
import { vec4 } from './vec4.ts';

const NAMES = ['a', 'b', 'c'] as const;

export interface Elementwise<A extends Attrs> {
  readonly name: string;
  readonly arity: 1 | 2 | 3;
  /** WGSL over `a`, `b`, `c` of type T (f32 or vec4<f32>) and the numbers `p0`, `p1`. */
  readonly expression: string;
  /** WGSL functions that `expression` calls. */
  readonly snippet?: string;
  /** Values of `p0`, `p1`. */
  readonly parameters?: (attrs: A) => readonly number[];
  /** The op itself, in f64. */
  readonly f64: (attrs: A, a: number, b: number, c: number) => number;
  readonly vjp?: (site: VjpSite<A>) => readonly ((() => Tensor) | null)[];
  /** Floating-point operations per element, about. */
  readonly flops?: number;
  /** Result dtype, if not that of the operands. */
  readonly dtype?: (attrs: A) => DType;
  /** Result shape, if not the operands broadcast together. */
  readonly shape?: (operand: Shape, attrs: A) => Shape;
  readonly cases: readonly OpCase<A>[];
}

/** Registers an elementwise op. @throws Error when the name is taken */
export function defineElementwise<A extends Attrs>(definition: Elementwise<A>): Op<A> {
  const { name, arity, expression, snippet } = definition;
  const parameters = definition.parameters ?? (() => []);
  const formula = {
    ...{ name, expression, parameters, operands: NAMES.slice(0, arity) },
    ...(snippet ? { snippet } : {}),
  };
  return defineOp<A>({
    name,
    infer: (inputs, attrs) => {
      if (inputs.length !== arity) {
        throw new Error(`takes ${arity} operands, got ${inputs.length}`);
      }
      const operands = inputs.map((t) => t.shape).reduce<Shape>(broadcastShapes, []);
      const shape = definition.shape?.(operands, attrs) ?? operands;
      return [{ dtype: definition.dtype?.(attrs) ?? resultDType(inputs, shape), shape }];
    },
    ...(definition.vjp ? { vjp: definition.vjp } : {}),
    reference: (inputs, site) => {
      const y = new Float64Array(sizeOf(at(site.outputs, 0).shape));
      const [a, b, c] = inputs.map((t) => t.data);
      forEachInNest(nestOf(site), (i, [oa = 0, ob = 0, oc = 0]) => {
        y[i] = definition.f64(site.attrs, a?.[oa] ?? 0, b?.[ob] ?? 0, c?.[oc] ?? 0);
      });
      return [y];
    },
    variants: [vec4(formula), naive(formula)],
    cost: (site) => elementCost(site, definition.flops ?? 1),
    cases: definition.cases,
    pointwise: (attrs) =>
      definition.dtype?.(attrs) === 'i32'
        ? null
        : { expression: filledIn(expression, parameters(attrs)), ...(snippet ? { functions: snippet } : {}) },
  });
}

/** The expression with its numbers in it. */
function filledIn(expression: string, [p0 = 0, p1 = 0]: readonly number[]): string {
  const literal = (p: number): string => `f32(${Math.min(Math.max(p, -LARGEST_F32), LARGEST_F32)})`;
  return expression.replace(/\bp0\b/g, literal(p0)).replace(/\bp1\b/g, literal(p1));
}

const LARGEST_F32 = 3.4028234e38;
