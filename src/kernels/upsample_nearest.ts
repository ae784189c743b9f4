/** Nearest-neighbour upsampling of [N,H,W,C] by a whole factor; the backward sums each block. */
import type { Dispatch } from '../tensor/dispatch.ts';
import type { OpSite, Variant } from '../tensor/op.ts';
import { defineOp } from '../tensor/op.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Shape, TensorType } from '../tensor/types.ts';
import { at, sizeOf } from '../tensor/types.ts';
import { read, write } from './common/bindings.ts';
import { DIVIDE } from './common/divide.ts';
import { perElement } from './common/per_element.ts';
import { canStoreOne, elementCost, lastOf, vecOf } from './common/site.ts';
import { broadcastTo } from './elementwise/broadcast_to.ts';
import { reshape } from './reshape.ts';

type Upsample = { readonly factor: number };

/** Params are sizes of the result. */
const FORWARD = `${DIVIDE}
fn run(i: u32) {
  let pixel = quotient(i, params.channels);
  let c = i - pixel * params.channels;
  let row = quotient(pixel, params.width);
  let w = pixel - row * params.width;
  let small = quotient(row, params.factor) * quotient(params.width, params.factor);
  let source = small + quotient(w, params.factor);
  store_y(i, load_x(source * params.channels + c));
}
`;

/** Params are sizes of the result, the smaller image. */
const BACKWARD = `${DIVIDE}
fn run(i: u32) {
  let pixel = quotient(i, params.channels);
  let c = i - pixel * params.channels;
  let row = quotient(pixel, params.width);
  let w = pixel - row * params.width;
  var sum = T();
  for (var y = 0u; y < params.factor; y++) {
    for (var x = 0u; x < params.factor; x++) {
      let source = (row * params.factor + y) * params.width * params.factor + w * params.factor + x;
      sum += load_x(source * params.channels + c);
    }
  }
  store_y(i, sum);
}
`;

function variants(name: string, code: string): Variant<Upsample>[] {
  const dispatch = (site: OpSite<Upsample>, variant: string, vec: 1 | 4): Dispatch[] => {
    const { shape } = at(site.outputs, 0);
    return [
      perElement({
        label: `${name}.${variant}`,
        code,
        size: sizeOf(shape) / vec,
        constants: { T: vec === 4 ? 'vec4<f32>' : 'f32' },
        params: { width: at(shape, 2), channels: at(shape, 3) / vec, factor: site.attrs.factor },
        bindings: [read('x', 0, vec), write('y', 0, vec)],
      }),
    ];
  };
  return [
    {
      name: 'vec4',
      supports: (site) => vecOf(lastOf(at(site.outputs, 0).shape)) === 4,
      dispatches: (site) => dispatch(site, 'vec4', 4),
    },
    {
      name: 'naive',
      supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
      dispatches: (site) => dispatch(site, 'naive', 1),
    },
  ];
}

/** x with height and width multiplied by `scale`. */
function scaled(x: TensorType, scale: number): TensorType {
  const [n = 0, h = 0, w = 0, c = 0] = x.shape;
  if (x.shape.length !== 4 || !Number.isInteger(h * scale) || !Number.isInteger(w * scale)) {
    throw new Error(`[${x.shape.join(',')}] is no image [N,H,W,C] that scales by ${scale}`);
  }
  return { dtype: x.dtype, shape: [n, h * scale, w * scale, c] };
}

/** Calls `visit(element of the larger image, element of the smaller)`. */
function forEachPair(large: Shape, factor: number, visit: (i: number, k: number) => void): void {
  const [h, w, c] = [at(large, 1), at(large, 2), at(large, 3)];
  for (let i = 0; i < sizeOf(large); i++) {
    const column = Math.floor(i / c) % w;
    const row = Math.floor(i / c / w);
    const [image, y] = [Math.floor(row / h), row % h];
    const to = (image * (h / factor) + Math.floor(y / factor)) * (w / factor) + Math.floor(column / factor);
    visit(i, to * c + (i % c));
  }
}

const backwardOp = defineOp<Upsample>({
  name: 'upsample_nearest_backward',
  storesOnce: true,
  infer: (inputs, { factor }) => [scaled(at(inputs, 0), 1 / factor)],
  reference: ([dy], site) => {
    const dx = new Float64Array(sizeOf(at(site.outputs, 0).shape));
    forEachPair(dy?.shape ?? [], site.attrs.factor, (i, k) => {
      dx[k] = at(dx, k) + at(dy?.data ?? [], i);
    });
    return [dx];
  },
  variants: variants('upsample_nearest_backward', BACKWARD),
  cost: (site) => elementCost(site, site.attrs.factor ** 2),
  cases: [
    { name: 'odd', inputs: [{ shape: [2, 6, 9, 3] }], attrs: { factor: 3 } },
    { name: 'vec4', inputs: [{ shape: [1, 4, 6, 8] }], attrs: { factor: 2 } },
  ],
});

const upsampleOp = defineOp<Upsample>({
  name: 'upsample_nearest',
  storesOnce: true,
  infer: (inputs, { factor }) => [scaled(at(inputs, 0), factor)],
  vjp: ({ attrs, dy }) => [() => backwardOp.one([dy], attrs)],
  reference: ([x], site) => {
    const { shape } = at(site.outputs, 0);
    const y = new Float64Array(sizeOf(shape));
    forEachPair(shape, site.attrs.factor, (i, k) => {
      y[i] = at(x?.data ?? [], k);
    });
    return [y];
  },
  variants: variants('upsample_nearest', FORWARD),
  cost: (site) => elementCost(site, 0),
  cases: [
    { name: 'odd', inputs: [{ shape: [2, 2, 3, 3] }], attrs: { factor: 3 } },
    { name: 'vec4', inputs: [{ shape: [1, 2, 3, 8] }], attrs: { factor: 2 } },
    { name: 'f16', inputs: [{ shape: [1, 2, 3, 4], dtype: 'f16' }], attrs: { factor: 2 } },
  ],
  composition: (inputs, { factor }) => {
    const x = at(inputs, 0);
    const [n, h, w, c] = [x.dim(0), x.dim(1), x.dim(2), x.dim(3)];
    const spread = broadcastTo(reshape(x, [n, h, 1, w, 1, c]), [n, h, factor, w, factor, c]);
    return reshape(spread, [n, h * factor, w * factor, c]);
  },
});

/** Repeats every pixel of x [N,H,W,C] factor × factor times. */
export const upsampleNearest = (x: Tensor, factor: number): Tensor => upsampleOp.one([x], { factor });
