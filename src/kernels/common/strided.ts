/** Index arithmetic of broadcasting and data movement: the dimensions of a result, with each operand's stride along them. */
import type { Param } from '../../tensor/dispatch.ts';
import type { Shape } from '../../tensor/types.ts';
import { at, stridesOf } from '../../tensor/types.ts';
import { DIVIDE } from './divide.ts';

export const MAX_RANK = 6;

/** A loop nest: its sizes, outermost first, and each operand's stride, in elements, along each of them. */
export interface Nest {
  readonly dims: readonly number[];
  readonly strides: readonly (readonly number[])[];
}

/** The strides with which a tensor of `shape` is read as if it were broadcast to `to` by NumPy's rules. */
export function broadcastStrides(shape: Shape, to: Shape): number[] {
  const own = stridesOf(shape);
  const lead = to.length - shape.length;
  return to.map((_, i) => (i < lead || at(shape, i - lead) === 1 ? 0 : at(own, i - lead)));
}

/** The nest without dimensions of size 1, and with neighbouring dimensions merged where every operand's strides allow it. */
export function collapse(nest: Nest): Nest {
  const dims: number[] = [];
  const strides: number[][] = nest.strides.map(() => []);
  nest.dims.forEach((size, d) => {
    if (size === 1) {
      return;
    }
    const last = dims.length - 1;
    const step = nest.strides.map((s) => at(s, d));
    if (last >= 0 && step.every((s, k) => at(at(strides, k), last) === s * size)) {
      dims[last] = at(dims, last) * size;
      step.forEach((s, k) => {
        at(strides, k)[last] = s;
      });
    } else {
      dims.push(size);
      step.forEach((s, k) => {
        at(strides, k).push(s);
      });
    }
  });
  return { dims, strides };
}

/** Pads `values` in front with `fill` to a length of `rank`. @throws RangeError when there are more values */
export function padFront(values: readonly number[], rank: number, fill: number): number[] {
  if (values.length > rank) {
    throw new RangeError(`${values.length} dimensions; kernels go to ${rank}`);
  }
  return [...new Array<number>(rank - values.length).fill(fill), ...values];
}

/** Params for COORDINATES: d0…d5, the dimensions, and `<name>0…5`, each operand's strides. */
export function nestParams(nest: Nest, names: readonly string[]): Record<string, Param> {
  const params: Record<string, Param> = {};
  padFront(nest.dims, MAX_RANK, 1).forEach((d, i) => {
    params[`d${i}`] = d;
  });
  names.forEach((name, k) => {
    padFront(at(nest.strides, k), MAX_RANK, 0).forEach((s, i) => {
      params[`${name}${i}`] = s;
    });
  });
  return params;
}

/** WGSL of `place(i)`: the coordinates of element i in a row-major nest of params.d0…d5. */
export const COORDINATES = `${DIVIDE}
// In vectors, because lavapipe keeps arrays in memory.
struct Place { outer: vec3<u32>, inner: vec3<u32> }
fn place(i: u32) -> Place {
  let q5 = quotient(i, params.d5);
  let q4 = quotient(q5, params.d4);
  let q3 = quotient(q4, params.d3);
  let q2 = quotient(q3, params.d2);
  let q1 = quotient(q2, params.d1);
  return Place(
    vec3<u32>(q1, q2 - q1 * params.d1, q3 - q2 * params.d2),
    vec3<u32>(q4 - q3 * params.d3, q5 - q4 * params.d4, i - q5 * params.d5),
  );
}
`;

/** WGSL of `offset_<name>(place)`: the index of operand `name` there, by params.<name>0…5. */
export const offsetSnippet = (name: string): string => `
fn offset_${name}(at: Place) -> u32 {
  return at.outer.x * params.${name}0 + at.outer.y * params.${name}1 + at.outer.z * params.${name}2
    + at.inner.x * params.${name}3 + at.inner.y * params.${name}4 + at.inner.z * params.${name}5;
}
`;

/** Calls `visit(i, offsets)` for every element of the nest in row-major order; `offsets` is reused. */
export function forEachInNest(nest: Nest, visit: (i: number, offsets: readonly number[]) => void): void {
  const rank = nest.dims.length;
  const size = nest.dims.reduce((n, d) => n * d, 1);
  const position = new Array<number>(rank).fill(0);
  const offsets = nest.strides.map(() => 0);
  for (let i = 0; i < size; i++) {
    visit(i, offsets);
    for (let d = rank - 1; d >= 0; d--) {
      const next = at(position, d) + 1;
      const wraps = next === at(nest.dims, d);
      position[d] = wraps ? 0 : next;
      nest.strides.forEach((s, k) => {
        offsets[k] = at(offsets, k) + at(s, d) * (wraps ? 1 - next : 1);
      });
      if (!wraps) {
        break;
      }
    }
  }
}
