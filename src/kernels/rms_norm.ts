/**
 * RMSNorm over the last axis: x / √(mean(x²) + eps), times a gain if one is given. Sums in f32, whatever the storage:
 * squares of f16 values overflow f16. Variants: common/rows.ts.
 */
import type { HostArray, Op, OpSite } from '../tensor/op.ts';
import { defineOp } from '../tensor/op.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { at } from '../tensor/types.ts';
import { rowVariants } from './common/rows.ts';
import { elementCost, expectShape, lastOf } from './common/site.ts';
import { unbroadcast } from './common/unbroadcast.ts';
import { mul } from './elementwise/binary.ts';
import { affine, rsqrt, square } from './elementwise/unary.ts';
import { mean } from './reduce/reduce.ts';

type RmsNorm = { readonly eps: number };

/** WGSL of the gain, without one and with one. */
const GAIN = [
  'fn gain(y: T, i: u32) -> T { return y; }\n',
  'fn gain(y: T, i: u32) -> T { return y * load_gamma(i); }\n',
];

const FORWARD = `
fn run(row: u32, lane: u32) {
  let base = row * params.width;
  var squares = T();
  for (var i = lane; i < params.width; i += LANES) {
    squares += load_x(base + i) * load_x(base + i);
  }
  let scale = 1.0 / sqrt(team_sum(total(squares), lane) * params.share + params.eps);
  for (var i = lane; i < params.width; i += LANES) {
    store_y(base + i, gain(load_x(base + i) * scale, i));
  }
}
`;

/** With g = gamma dy and n = normalised x: dx = scale (g - n mean(g n)). */
const BACKWARD = `
fn run(row: u32, lane: u32) {
  let base = row * params.width;
  var squares = T();
  var dot = T();
  for (var i = lane; i < params.width; i += LANES) {
    squares += load_x(base + i) * load_x(base + i);
    dot += gain(load_dy(base + i), i) * load_x(base + i);
  }
  let scale = 1.0 / sqrt(team_sum(total(squares), lane) * params.share + params.eps);
  let along = team_sum(total(dot), lane) * params.share * scale * scale;
  for (var i = lane; i < params.width; i += LANES) {
    store_dx(base + i, (gain(load_dy(base + i), i) - load_x(base + i) * along) * scale);
  }
}
`;

const params = (site: OpSite<RmsNorm>): Record<string, { f32: number }> => ({
  share: { f32: 1 / lastOf(at(site.inputs, 0).shape) },
  eps: { f32: site.attrs.eps },
});

const scaleOf = (row: Float64Array, eps: number): number =>
  1 / Math.sqrt(row.reduce((n, a) => n + a * a, 0) / row.length + eps);

/** The rows of x, each with the index of its first element. */
function* rowsOf(x: HostArray | undefined): Generator<readonly [base: number, row: Float64Array]> {
  const width = lastOf(x?.shape ?? []);
  const data = x?.data ?? new Float64Array();
  for (let base = 0; base < data.length; base += width) {
    yield [base, data.subarray(base, base + width)];
  }
}

/** Maps x, dy and optionally gamma to dx. */
const backwardOp = defineOp<RmsNorm>({
  name: 'rms_norm_backward',
  storesOnce: true,
  infer: (inputs) => {
    const [x, dy] = [at(inputs, 0), at(inputs, 1)];
    expectShape(dy, x.shape, 'dy');
    return [{ dtype: dy.dtype, shape: x.shape }];
  },
  reference: ([x, dy, gamma], { attrs: { eps } }) => {
    const dx = new Float64Array(x?.data.length ?? 0);
    for (const [base, row] of rowsOf(x)) {
      const scale = scaleOf(row, eps);
      const g = Array.from(row, (_, i) => at(dy?.data ?? [], base + i) * (gamma?.data[i] ?? 1));
      const along = (row.reduce((n, a, i) => n + a * at(g, i), 0) / row.length) * scale * scale;
      row.forEach((a, i) => {
        dx[base + i] = (at(g, i) - a * along) * scale;
      });
    }
    return [dx];
  },
  variants: rowVariants('rms_norm_backward', BACKWARD, ['x', 'dy', 'gamma'], ['dx'], {
    params,
    snippet: (site) => at(GAIN, site.inputs.length - 2),
  }),
  cost: (site) => elementCost(site, 8),
  cases: [
    { name: 'odd', inputs: [{ shape: [3, 7] }, { shape: [3, 7] }, { shape: [7] }], attrs: { eps: 1e-6 } },
    { name: 'no gain', inputs: [{ shape: [3, 8] }, { shape: [3, 8] }], attrs: { eps: 0.3 } },
    { name: 'vec4', inputs: [{ shape: [2, 136] }, { shape: [2, 136] }, { shape: [136] }], attrs: { eps: 1e-6 } },
    {
      name: 'f16',
      inputs: [{ shape: [3, 8], dtype: 'f16' }, { shape: [3, 8], dtype: 'f16' }, { shape: [8] }],
      attrs: { eps: 1e-6 },
    },
    {
      name: 'f16 whose squares overflow',
      inputs: [{ shape: [3, 8], dtype: 'f16', scale: 5000 }, { shape: [3, 8] }],
      attrs: { eps: 1e-6 },
    },
  ],
});

const rmsNormOp: Op<RmsNorm> = defineOp<RmsNorm>({
  name: 'rms_norm',
  storesOnce: true,
  infer: (inputs) => {
    const x = at(inputs, 0);
    const width = lastOf(x.shape);
    for (const gamma of inputs.slice(1)) {
      expectShape(gamma, [width], 'gamma');
    }
    return [{ dtype: x.dtype, shape: x.shape }];
  },
  vjp: ({ inputs, attrs, dy }) => {
    const [x, gamma] = [at(inputs, 0), inputs[1]];
    return [
      () => backwardOp.one(gamma ? [x, dy, gamma] : [x, dy], attrs),
      ...(gamma ? [() => unbroadcast(mul(dy, rmsNormOp.one([x], attrs)), gamma.shape)] : []),
    ];
  },
  reference: ([x, gamma], { attrs: { eps } }) => {
    const y = new Float64Array(x?.data.length ?? 0);
    for (const [base, row] of rowsOf(x)) {
      const scale = scaleOf(row, eps);
      row.forEach((a, i) => {
        y[base + i] = a * scale * (gamma?.data[i] ?? 1);
      });
    }
    return [y];
  },
  variants: rowVariants('rms_norm', FORWARD, ['x', 'gamma'], ['y'], {
    params,
    snippet: (site) => at(GAIN, site.inputs.length - 1),
  }),
  cost: (site) => elementCost(site, 4),
  cases: [
    { name: 'odd', inputs: [{ shape: [3, 7] }, { shape: [7] }], attrs: { eps: 1e-6 } },
    { name: 'vec4, heads', inputs: [{ shape: [2, 3, 136] }, { shape: [136] }], attrs: { eps: 1e-6 } },
    { name: 'no gain', inputs: [{ shape: [3, 8] }], attrs: { eps: 0.3 } },
    { name: 'f16 weight', inputs: [{ shape: [3, 8] }, { shape: [8], dtype: 'f16' }], attrs: { eps: 1e-6 } },
    {
      name: 'f16 whose squares overflow',
      inputs: [{ shape: [3, 8], dtype: 'f16', scale: 5000 }, { shape: [8] }],
      attrs: { eps: 1e-6 },
      grad: [1], // x is too large for the differences' step; the other cases take it
    },
  ],
  composition: ([x, gamma], { eps }) => {
    if (!x) {
      throw new Error('rms_norm of nothing');
    }
    const n = mul(x, rsqrt(affine(mean(square(x), [-1], true), 1, eps)));
    return gamma ? mul(n, gamma) : n;
  },
});

/** RMSNorm over the last axis, with gain `gamma` [D] if given (Zhang and Sennrich 2019). @throws Error when it does not fit. */
export function rmsNorm(x: Tensor, gamma: Tensor | null, eps: number): Tensor {
  return rmsNormOp.one(gamma ? [x, gamma] : [x], { eps });
}
