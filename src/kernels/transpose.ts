/** transpose(x, permutation): axis i of the result is axis permutation[i] of x. Keeps the dtype. */
import type { OpSite } from '../tensor/op.ts';
import { defineOp } from '../tensor/op.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { at, sizeOf, stridesOf } from '../tensor/types.ts';
import { movementVariants } from './common/gather.ts';
import { axisOf, elementCost } from './common/site.ts';
import type { Nest } from './common/strided.ts';
import { forEachPlace } from './common/strided.ts';

type Transpose = { readonly permutation: readonly number[] };

function nestOf(site: OpSite<Transpose>): Nest {
  const strides = stridesOf(at(site.inputs, 0).shape);
  return { dims: at(site.outputs, 0).shape, strides: [site.attrs.permutation.map((p) => at(strides, p))] };
}

const transposeOp = defineOp<Transpose>({
  name: 'transpose',
  isLayout: true,
  infer: ([x], { permutation }) => {
    const shape = x?.shape ?? [];
    if (permutation.length !== shape.length || new Set(permutation).size !== shape.length) {
      throw new Error(`[${permutation.join(',')}] is no permutation of ${shape.length} axes`);
    }
    return [{ dtype: x?.dtype ?? 'f32', shape: permutation.map((p) => at(shape, axisOf(p, shape.length))) }];
  },
  vjp: ({ attrs, dy }) => [() => transpose(dy, inverse(attrs.permutation))],
  reference: ([x], site) => {
    const y = new Float64Array(sizeOf(at(site.outputs, 0).shape));
    forEachPlace(nestOf(site), (i, [from = 0]) => {
      y[i] = at(x?.data ?? [], from);
    });
    return [y];
  },
  variants: movementVariants<Transpose>('transpose', (site) => ({ nest: nestOf(site), offset: 0 })),
  cost: (site) => elementCost(site, 0),
  cases: [
    { name: 'matrix', inputs: [{ shape: [5, 7] }], attrs: { permutation: [1, 0] } },
    { name: 'matrix of fours', inputs: [{ shape: [8, 12] }], attrs: { permutation: [1, 0] } },
    { name: 'rows stay whole', inputs: [{ shape: [2, 3, 4] }], attrs: { permutation: [1, 0, 2] } },
    { name: 'OIHW to HWIO', inputs: [{ shape: [4, 3, 3, 2] }], attrs: { permutation: [2, 3, 1, 0] } },
    { name: 'f16', inputs: [{ shape: [4, 6], dtype: 'f16' }], attrs: { permutation: [1, 0] } },
    { name: 'i32', inputs: [{ shape: [3, 4], dtype: 'i32', below: 9 }], attrs: { permutation: [1, 0] }, grad: [] },
    { name: 'six axes', inputs: [{ shape: [2, 1, 3, 2, 2, 3] }], attrs: { permutation: [5, 3, 1, 0, 4, 2] } },
  ],
});

function inverse(permutation: readonly number[]): number[] {
  return permutation.map((_, i) => permutation.indexOf(i));
}

/** One pass over memory however often a tensor is transposed. @throws Error unless `permutation` names every axis once. */
export function transpose(x: Tensor, permutation: readonly number[]): Tensor {
  const axes = permutation.map((p) => axisOf(p, x.shape.length));
  const { op, attrs, inputs } = x.node;
  const [source] = inputs;
  if (op?.name === 'transpose' && source && axes.length === x.shape.length) {
    const before = (attrs as Transpose).permutation;
    return transpose(
      source,
      axes.map((p) => at(before, p)),
    );
  }
  return axes.every((p, i) => p === i) && axes.length === x.shape.length
    ? x
    : transposeOp.one([x], { permutation: axes });
}
