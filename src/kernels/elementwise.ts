/**
 * Elementwise ops with NumPy broadcasting, rank <= 6: one definition (expression, f64 function, VJP) makes the whole op.
 * naive: one element an invocation, strides of six dimensions. vec4: operands that are whole, or vary over at most
 * an outer, a middle and an inner dimension (scalars, biases, one value a row, one vector an image).
 */
import type { DeviceCaps } from '../tensor/device_caps.ts';
import type { Binding, Dispatch } from '../tensor/dispatch.ts';
import type { Attrs, Op, OpSite, VjpSite } from '../tensor/op.ts';
import { defineOp } from '../tensor/op.ts';
import type { CaseInput, OpCase } from '../tensor/op_case.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { DType, Shape } from '../tensor/types.ts';
import { at, broadcastShapes, sizeOf } from '../tensor/types.ts';
import { DIVIDE } from './common/divide.ts';
import { perElement } from './common/grid.ts';
import { canStoreOne, elementCost, resultDType } from './common/site.ts';
import type { Nest } from './common/strided.ts';
import { broadcastStrides, COORDINATES, collapse, forEachPlace, nestParams, offsetSnippet } from './common/strided.ts';

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

export function defineElementwise<A extends Attrs>(definition: Elementwise<A>): Op<A> {
  const { name, arity, expression } = definition;
  const numbers = definition.parameters ?? (() => []);
  const names = NAMES.slice(0, arity);
  const nestOf = (site: OpSite<A>): Nest => {
    const { shape } = at(site.outputs, 0);
    return { dims: shape, strides: site.inputs.map((t) => broadcastStrides(t.shape, shape)) };
  };
  const kernel = (site: OpSite<A>, variant: string, vec: 1 | 4, places: Places): Dispatch => {
    const [p0 = 0, p1 = 0] = numbers(site.attrs);
    const integers = at(site.outputs, 0).dtype === 'i32';
    return perElement({
      label: `${name}.${variant}`,
      code: [definition.snippet ?? '', places.code, applySnippet(expression), at(RUN, arity - 1)].join(''),
      size: sizeOf(at(site.outputs, 0).shape) / vec,
      constants: {
        T: vec === 4 ? 'vec4<f32>' : 'f32',
        Y: `${vec === 4 ? 'vec4<' : ''}${integers ? 'i32' : 'f32'}${vec === 4 ? '>' : ''}`,
      },
      params: { ...places.params, p0: { f32: p0 }, p1: { f32: p1 } },
      bindings: [...places.bindings, { name: 'y', ref: { output: 0 }, access: 'write', vec }],
    });
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
      forEachPlace(nestOf(site), (i, [oa = 0, ob = 0, oc = 0]) => {
        y[i] = definition.f64(site.attrs, a?.[oa] ?? 0, b?.[ob] ?? 0, c?.[oc] ?? 0);
      });
      return [y];
    },
    variants: [
      {
        name: 'vec4',
        supports: (site) => fastPlaces(collapse(nestOf(site)), names) !== null,
        dispatches: (site) => {
          const places = fastPlaces(collapse(nestOf(site)), names);
          return places ? [kernel(site, 'vec4', 4, places)] : [];
        },
      },
      {
        name: 'naive',
        supports: (site: OpSite<A>, caps: DeviceCaps) => canStoreOne(at(site.outputs, 0), caps),
        dispatches: (site) => [kernel(site, 'naive', 1, generalPlaces(collapse(nestOf(site)), names))],
      },
    ],
    cost: (site) => elementCost(site, definition.flops ?? 1),
    cases: definition.cases,
    pointwise: (attrs) =>
      definition.dtype?.(attrs) === 'i32'
        ? null
        : {
            expression: filledIn(expression, numbers(attrs)),
            ...(definition.snippet ? { functions: definition.snippet } : {}),
          },
  });
}

/** The expression with its numbers in it. */
function filledIn(expression: string, [p0 = 0, p1 = 0]: readonly number[]): string {
  const literal = (p: number): string => `f32(${Math.min(Math.max(p, -LARGEST_F32), LARGEST_F32)})`;
  return expression.replace(/\bp0\b/g, literal(p0)).replace(/\bp1\b/g, literal(p1));
}

const LARGEST_F32 = 3.4028234e38;

/** How a kernel finds its operands: `read_a(i, place(i))`. */
interface Places {
  readonly code: string;
  readonly params: Readonly<Record<string, number | { readonly f32: number } | { readonly i32: number }>>;
  readonly bindings: readonly Binding[];
}

function generalPlaces(nest: Nest, names: readonly string[]): Places {
  const read = (name: string): string =>
    `${offsetSnippet(name)}fn read_${name}(i: u32, at: Place) -> T { return T(load_${name}(offset_${name}(at))); }\n`;
  return {
    code: COORDINATES + names.map(read).join(''),
    params: nestParams(nest, names),
    bindings: names.map((name, k) => ({ name, ref: { input: k }, access: 'read' })),
  };
}

/** The same for vec4: null when the nest is too deep or its rows are no multiple of 4. */
function fastPlaces(nest: Nest, names: readonly string[]): Places | null {
  const rank = nest.dims.length;
  const inner = nest.dims[rank - 1] ?? 0;
  if (rank < 1 || rank > 3 || inner % 4 !== 0) {
    return null;
  }
  const [middle, columns] = [rank > 1 ? at(nest.dims, rank - 2) : 1, inner / 4];
  const params: Record<string, number> = { middle, columns };
  const bindings: Binding[] = [];
  let code = PLACE_3D;
  names.forEach((name, k) => {
    const strides = at(nest.strides, k);
    const step = at(strides, rank - 1);
    const whole =
      step === 1 && strides.every((s, d) => d === rank - 1 || s === at(strides, d + 1) * at(nest.dims, d + 1));
    const vec = step === 1 ? 4 : 1;
    params[`${name}_outer`] = (rank > 2 ? at(strides, 0) : 0) / vec;
    params[`${name}_middle`] = (rank > 1 ? at(strides, rank - 2) : 0) / vec;
    code += whole ? readWhole(name) : step === 1 ? readVector(name) : readSplat(name);
    bindings.push({ name, ref: { input: k }, access: 'read', vec });
  });
  return { code, params, bindings };
}

const PLACE_3D = `${DIVIDE}
alias Place = vec3<u32>;
fn place(i: u32) -> Place {
  let row = quotient(i, params.columns);
  let outer = quotient(row, params.middle);
  return Place(outer, row - outer * params.middle, i - row * params.columns);
}
`;

const readWhole = (name: string): string => `
fn read_${name}(i: u32, at: Place) -> T { return T(load_${name}(i)); }
`;
const readVector = (name: string): string => `
fn read_${name}(i: u32, at: Place) -> T {
  return T(load_${name}(at.x * params.${name}_outer + at.y * params.${name}_middle + at.z));
}
`;
const readSplat = (name: string): string => `
fn read_${name}(i: u32, at: Place) -> T {
  return T(f32(load_${name}(at.x * params.${name}_outer + at.y * params.${name}_middle)));
}
`;

const applySnippet = (expression: string): string => `
fn apply(a: T, b: T, c: T, p0: f32, p1: f32) -> T { return ${expression}; }
`;

/** By arity. */
const RUN = [
  `
fn run(i: u32) {
  let at = place(i);
  store_y(i, Y(apply(read_a(i, at), T(), T(), params.p0, params.p1)));
}
`,
  `
fn run(i: u32) {
  let at = place(i);
  store_y(i, Y(apply(read_a(i, at), read_b(i, at), T(), params.p0, params.p1)));
}
`,
  `
fn run(i: u32) {
  let at = place(i);
  store_y(i, Y(apply(read_a(i, at), read_b(i, at), read_c(i, at), params.p0, params.p1)));
}
`,
];

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

/** Cases for ops of two operands: every way of broadcasting that the kernels tell apart. */
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
