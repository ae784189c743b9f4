/** GEGLU: the last axis [a, b] of size 2D gives a · gelu(b) of size D. */
import type { Dispatch } from '../tensor/dispatch.ts';
import type { Op, OpSite, Variant } from '../tensor/op.ts';
import { defineOp } from '../tensor/op.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Shape } from '../tensor/types.ts';
import { at, sizeOf } from '../tensor/types.ts';
import { read, write } from './common/bindings.ts';
import { DIVIDE } from './common/divide.ts';
import { GELU, geluOf, geluSlopeOf } from './common/math.ts';
import { perElement } from './common/per_element.ts';
import { canStoreOne, elementCost, expectShape, lastOf, vecOf } from './common/site.ts';
import { mul } from './elementwise/binary.ts';
import { gelu } from './elementwise/unary.ts';
import { slice } from './slice_pad.ts';

type None = Record<string, never>;

const FORWARD = `${DIVIDE}${GELU}
fn run(i: u32) {
  let a = i + quotient(i, params.width) * params.width;
  store_y(i, load_x(a) * gelu(load_x(a + params.width)));
}
`;

const BACKWARD = `${DIVIDE}${GELU}
fn run(i: u32) {
  let a = i + quotient(i, params.width) * params.width;
  let b = load_x(a + params.width);
  store_dx(a, load_dy(i) * gelu(b));
  store_dx(a + params.width, load_dy(i) * load_x(a) * gelu_slope(b));
}
`;

function halved(shape: Shape): number[] {
  const width = lastOf(shape);
  if (width % 2 !== 0) {
    throw new Error(`a last axis of ${width} has no halves`);
  }
  return [...shape.slice(0, -1), width / 2];
}

function variants(name: string, code: string, inputs: readonly string[], output: string): Variant<None>[] {
  const width = (site: OpSite<None>): number => lastOf(at(site.inputs, 0).shape) / 2;
  const dispatch = (site: OpSite<None>, variant: string, vec: 1 | 4): Dispatch[] => [
    perElement({
      label: `${name}.${variant}`,
      code,
      size: sizeOf(at(site.inputs, 0).shape) / 2 / vec,
      constants: { T: vec === 4 ? 'vec4<f32>' : 'f32' },
      params: { width: width(site) / vec },
      bindings: [...inputs.map((n, k) => read(n, k, vec)), write(output, 0, vec)],
    }),
  ];
  return [
    { name: 'vec4', supports: (site) => vecOf(width(site)) === 4, dispatches: (site) => dispatch(site, 'vec4', 4) },
    {
      name: 'naive',
      supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
      dispatches: (site) => dispatch(site, 'naive', 1),
    },
  ];
}

/** Maps x and dy to dx. */
export const gegluBackwardOp: Op<None> = defineOp<None>({
  name: 'geglu_backward',
  storesOnce: true,
  infer: (inputs) => {
    const [x, dy] = [at(inputs, 0), at(inputs, 1)];
    expectShape(dy, halved(x.shape), 'dy');
    return [{ dtype: dy.dtype, shape: x.shape }];
  },
  reference: ([x, dy], site) => {
    const width = lastOf(at(site.inputs, 1).shape);
    const v = x?.data ?? [];
    const dx = new Float64Array(v.length);
    dy?.data.forEach((g, i) => {
      const a = i + Math.floor(i / width) * width;
      dx[a] = g * geluOf(at(v, a + width));
      dx[a + width] = g * at(v, a) * geluSlopeOf(at(v, a + width));
    });
    return [dx];
  },
  variants: variants('geglu_backward', BACKWARD, ['x', 'dy'], 'dx'),
  cost: (site) => elementCost(site, 22),
  cases: [
    { name: 'odd', inputs: [{ shape: [3, 10] }, { shape: [3, 5] }], attrs: {} },
    { name: 'vec4', inputs: [{ shape: [2, 3, 16] }, { shape: [2, 3, 8] }], attrs: {} },
  ],
});

const gegluOp = defineOp<None>({
  name: 'geglu',
  storesOnce: true,
  infer: (inputs) => {
    const x = at(inputs, 0);
    return [{ dtype: x.dtype, shape: halved(x.shape) }];
  },
  vjp: ({ inputs, dy }) => [() => gegluBackwardOp.one([at(inputs, 0), dy], {})],
  reference: ([x], site) => {
    const { shape } = at(site.outputs, 0);
    const width = lastOf(shape);
    const v = x?.data ?? [];
    const y = Float64Array.from({ length: sizeOf(shape) }, (_, i) => {
      const a = i + Math.floor(i / width) * width;
      return at(v, a) * geluOf(at(v, a + width));
    });
    return [y];
  },
  variants: variants('geglu', FORWARD, ['x'], 'y'),
  cost: (site) => elementCost(site, 22),
  cases: [
    { name: 'odd', inputs: [{ shape: [3, 10] }], attrs: {} },
    { name: 'vec4', inputs: [{ shape: [2, 3, 16] }], attrs: {} },
    { name: 'f16', inputs: [{ shape: [2, 8], dtype: 'f16' }], attrs: {} },
  ],
  composition: (inputs) => {
    const x = at(inputs, 0);
    const half = halved(x.shape);
    const starts = half.map((d, i) => (i === half.length - 1 ? d : 0));
    return mul(
      slice(
        x,
        half.map(() => 0),
        half,
      ),
      gelu(slice(x, starts, half)),
    );
  },
});

/** First half of the last axis times gelu (erf) of the second half. @throws Error when the axis is odd. */
export const geglu = (x: Tensor): Tensor => gegluOp.one([x], {});
