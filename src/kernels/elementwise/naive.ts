/** naive: an invocation computes one element, and finds its operands by strides of six dimensions. */
import type { Attrs, Variant } from '../../tensor/op.ts';
import { at } from '../../tensor/types.ts';
import { read } from '../common/bindings.ts';
import { canStoreOne } from '../common/site.ts';
import type { Nest } from '../common/strided.ts';
import { COORDINATES, collapse, nestParams, offsetSnippet } from '../common/strided.ts';
import type { Formula, OperandAccess } from './kernel.ts';
import { elementwiseDispatch, nestOf } from './kernel.ts';

export const naive = <A extends Attrs>(formula: Formula<A>): Variant<A> => ({
  name: 'naive',
  supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
  dispatches: (site) => [
    elementwiseDispatch(formula, site, 'naive', 1, accessByStrides(collapse(nestOf(site)), formula.operands)),
  ],
});

function accessByStrides(nest: Nest, names: readonly string[]): OperandAccess {
  const readElement = (name: string): string =>
    `${offsetSnippet(name)}fn read_${name}(i: u32, at: Place) -> T { return T(load_${name}(offset_${name}(at))); }\n`;
  return {
    code: COORDINATES + names.map(readElement).join(''),
    params: nestParams(nest, names),
    bindings: names.map((name, k) => read(name, k)),
  };
}
