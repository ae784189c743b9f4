/** The kernel that all variants of elementwise ops share; they differ in how it finds the elements of its operands. */
import type { Binding, Dispatch, Param } from '../../tensor/dispatch.ts';
import type { Attrs, OpSite } from '../../tensor/op.ts';
import { at, sizeOf } from '../../tensor/types.ts';
import { write } from '../common/bindings.ts';
import { perElement } from '../common/per_element.ts';
import type { Nest } from '../common/strided.ts';
import { broadcastStrides } from '../common/strided.ts';

/** An elementwise op, as its kernels see it. */
export interface Formula<A extends Attrs> {
  readonly name: string;
  /** WGSL names of the operands: `a`, `b`, `c`. */
  readonly operands: readonly string[];
  readonly expression: string;
  readonly snippet?: string;
  /** Values of `p0`, `p1`. */
  readonly parameters: (attrs: A) => readonly number[];
}

/** WGSL that finds the operands, `place(i)` and `read_a(i, place(i))`, with its params and bindings. */
export interface OperandAccess {
  readonly code: string;
  readonly params: Readonly<Record<string, Param>>;
  readonly bindings: readonly Binding[];
}

/** The result's dimensions, and each operand's strides along them. */
export function nestOf(site: OpSite): Nest {
  const { shape } = at(site.outputs, 0);
  return { dims: shape, strides: site.inputs.map((t) => broadcastStrides(t.shape, shape)) };
}

/** The kernel that applies `formula` to elements (`vec` 1) or vec4s (`vec` 4). */
export function elementwiseDispatch<A extends Attrs>(
  { name, operands, expression, snippet = '', parameters }: Formula<A>,
  site: OpSite<A>,
  variant: string,
  vec: 1 | 4,
  access: OperandAccess,
): Dispatch {
  const [p0 = 0, p1 = 0] = parameters(site.attrs);
  const integers = at(site.outputs, 0).dtype === 'i32';
  return perElement({
    label: `${name}.${variant}`,
    code: [snippet, access.code, applySnippet(expression), at(RUN, operands.length - 1)].join(''),
    size: sizeOf(at(site.outputs, 0).shape) / vec,
    constants: {
      T: vec === 4 ? 'vec4<f32>' : 'f32',
      Y: `${vec === 4 ? 'vec4<' : ''}${integers ? 'i32' : 'f32'}${vec === 4 ? '>' : ''}`,
    },
    params: { ...access.params, p0: { f32: p0 }, p1: { f32: p1 } },
    bindings: [...access.bindings, write('y', 0, vec)],
  });
}

const applySnippet = (expression: string): string => `
fn apply(a: T, b: T, c: T, p0: f32, p1: f32) -> T { return ${expression}; }
`;

/** Entry function by the number of operands. */
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
