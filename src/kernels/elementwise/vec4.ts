/**
 * vec4: an invocation computes four elements. Operands are whole, or vary over at most an outer, a middle and an inner
 * dimension: scalars, biases, one value a row, one vector an image.
 */
import type { Binding } from '../../tensor/dispatch.ts';
import type { Attrs, Variant } from '../../tensor/op.ts';
import { at } from '../../tensor/types.ts';
import { read } from '../common/bindings.ts';
import { DIVIDE } from '../common/divide.ts';
import type { Nest } from '../common/strided.ts';
import { collapse } from '../common/strided.ts';
import type { Formula, OperandAccess } from './kernel.ts';
import { elementwiseDispatch, nestOf } from './kernel.ts';

export const vec4 = <A extends Attrs>(formula: Formula<A>): Variant<A> => ({
  name: 'vec4',
  supports: (site) => accessInFours(collapse(nestOf(site)), formula.operands) !== null,
  dispatches: (site) => {
    const access = accessInFours(collapse(nestOf(site)), formula.operands);
    return access ? [elementwiseDispatch(formula, site, 'vec4', 4, access)] : [];
  },
});

/** null when the nest has more than three dimensions, or its rows are no multiple of 4. */
function accessInFours(nest: Nest, names: readonly string[]): OperandAccess | null {
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
    const isWhole =
      step === 1 && strides.every((s, d) => d === rank - 1 || s === at(strides, d + 1) * at(nest.dims, d + 1));
    const vec = step === 1 ? 4 : 1;
    params[`${name}_outer`] = (rank > 2 ? at(strides, 0) : 0) / vec;
    params[`${name}_middle`] = (rank > 1 ? at(strides, rank - 2) : 0) / vec;
    code += isWhole ? readWhole(name) : step === 1 ? readVector(name) : readSplat(name);
    bindings.push(read(name, k, vec));
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
