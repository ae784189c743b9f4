/**
 * transpose(x, permutation): axis i of the result is axis permutation[i] of x. Keeps the dtype.
 * tile_4x4: an invocation transposes 4x4 elements in registers, where rows and columns count in fours. Other variants: common/gather.ts.
 */
import type { OpSite, Variant } from '../tensor/op.ts';
import { defineOp } from '../tensor/op.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { at, sizeOf, stridesOf } from '../tensor/types.ts';
import { read, write } from './common/bindings.ts';
import { DIVIDE } from './common/divide.ts';
import { movementVariants } from './common/gather.ts';
import { perElement } from './common/per_element.ts';
import { axisOf, elementCost } from './common/site.ts';
import type { Nest } from './common/strided.ts';
import { forEachInNest } from './common/strided.ts';

type Transpose = { readonly permutation: readonly number[] };

function nestOf(site: OpSite<Transpose>): Nest {
  const strides = stridesOf(at(site.inputs, 0).shape);
  return { dims: at(site.outputs, 0).shape, strides: [site.attrs.permutation.map((p) => at(strides, p))] };
}

/** Transposes four rows by four columns, in vec4s on both sides. */
const TILE = `${DIVIDE}
fn run(i: u32) {
  let row = quotient(i, params.columns4);
  let column = i - row * params.columns4;
  let batch = quotient(row, params.rows4);
  let r = row - batch * params.rows4;
  let from_x = (batch * params.rows4 + r) * 4u * params.columns4 + column;
  let a = load_x(from_x);
  let b = load_x(from_x + params.columns4);
  let c = load_x(from_x + 2u * params.columns4);
  let d = load_x(from_x + 3u * params.columns4);
  let to = (batch * params.columns4 + column) * 4u * params.rows4 + r;
  store_y(to, V(a.x, b.x, c.x, d.x));
  store_y(to + params.rows4, V(a.y, b.y, c.y, d.y));
  store_y(to + 2u * params.rows4, V(a.z, b.z, c.z, d.z));
  store_y(to + 3u * params.rows4, V(a.w, b.w, c.w, d.w));
}
`;

/** The sizes, where the last two axes are exchanged and both count in fours; else null. */
function matrixOf(site: OpSite<Transpose>): { rows4: number; columns4: number; batch: number } | null {
  const { shape } = at(site.inputs, 0);
  const rank = shape.length;
  const exchangesLast = site.attrs.permutation.every((p, i) => p === (i < rank - 2 ? i : 2 * rank - 3 - i));
  const [rows4, columns4] = [(shape[rank - 2] ?? 0) / 4, (shape[rank - 1] ?? 0) / 4];
  return rank >= 2 && exchangesLast && Number.isInteger(rows4) && Number.isInteger(columns4)
    ? { rows4, columns4, batch: sizeOf(shape.slice(0, -2)) }
    : null;
}

const tiled: Variant<Transpose> = {
  name: 'tile_4x4',
  supports: (site) => matrixOf(site) !== null,
  dispatches: (site) => {
    const { rows4 = 0, columns4 = 0, batch = 0 } = matrixOf(site) ?? {};
    return [
      perElement({
        label: 'transpose.tile_4x4',
        code: TILE,
        size: batch * rows4 * columns4,
        constants: { V: at(site.outputs, 0).dtype === 'i32' ? 'vec4<i32>' : 'vec4<f32>' },
        params: { rows4, columns4 },
        bindings: [read('x', 0, 4), write('y', 0, 4)],
      }),
    ];
  },
};

export const transposeOp = defineOp<Transpose>({
  name: 'transpose',
  permutation: ({ permutation }) => permutation,
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
    forEachInNest(nestOf(site), (i, [from = 0]) => {
      y[i] = at(x?.data ?? [], from);
    });
    return [y];
  },
  variants: [tiled, ...movementVariants<Transpose>('transpose', (site) => ({ nest: nestOf(site), offset: 0 }))],
  cost: (site) => elementCost(site, 0),
  cases: [
    { name: 'matrix', inputs: [{ shape: [5, 7] }], attrs: { permutation: [1, 0] } },
    { name: 'matrix of fours', inputs: [{ shape: [8, 12] }], attrs: { permutation: [1, 0] } },
    { name: 'rows stay whole', inputs: [{ shape: [2, 3, 4] }], attrs: { permutation: [1, 0, 2] } },
    { name: 'OIHW to HWIO', inputs: [{ shape: [4, 3, 3, 2] }], attrs: { permutation: [2, 3, 1, 0] } },
    { name: 'matrices of fours', inputs: [{ shape: [2, 3, 12, 4] }], attrs: { permutation: [0, 1, 3, 2] } },
    { name: 'f16 fours', inputs: [{ shape: [8, 4], dtype: 'f16' }], attrs: { permutation: [1, 0] } },
    { name: 'f16', inputs: [{ shape: [4, 6], dtype: 'f16' }], attrs: { permutation: [1, 0] } },
    { name: 'i32', inputs: [{ shape: [3, 4], dtype: 'i32', below: 9 }], attrs: { permutation: [1, 0] }, grad: [] },
    { name: 'six axes', inputs: [{ shape: [2, 1, 3, 2, 2, 3] }], attrs: { permutation: [5, 3, 1, 0, 4, 2] } },
  ],
});

function inverse(permutation: readonly number[]): number[] {
  return permutation.map((_, i) => permutation.indexOf(i));
}

/** x with its axes permuted; a transpose of a transpose becomes one. @throws Error unless `permutation` names every axis once */
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
