/**
 * LayerNorm over the last axis; statistics in f32. Outputs: y, and [rows, 2] mean and 1/√(variance + eps) for the
 * backward. Variants: common/rows.ts.
 */
import type { Op, OpSite } from '../tensor/op.ts';
import { defineOp } from '../tensor/op.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { TensorType } from '../tensor/types.ts';
import { at, sizeOf } from '../tensor/types.ts';
import { columnSumVariants } from './common/column_sums.ts';
import { rowVariants } from './common/rows.ts';
import { elementCost, expectShape, lastOf } from './common/site.ts';
import { add, mul, sub } from './elementwise/binary.ts';
import { affine, rsqrt, square } from './elementwise/unary.ts';
import { mean, sum } from './reduce/reduce.ts';
import { reshape } from './reshape.ts';

type None = Record<string, never>;
export type LayerNorm = { readonly eps: number };

/** Gain and offset by the number of inputs among x, gamma, beta. */
const AFFINE = [
  '',
  'fn gain(y: T, i: u32) -> T { return y; }\n',
  'fn gain(y: T, i: u32) -> T { return y * load_gamma(i); }\n',
  'fn gain(y: T, i: u32) -> T { return y * load_gamma(i) + load_beta(i); }\n',
];

const FORWARD = `
fn run(row: u32, lane: u32) {
  let base = row * params.width;
  var sum = T();
  for (var i = lane; i < params.width; i += LANES) {
    sum += load_x(base + i);
  }
  let mean = team_sum(total(sum), lane) * params.share;
  var squares = T();
  for (var i = lane; i < params.width; i += LANES) {
    let d = load_x(base + i) - mean;
    squares += d * d;
  }
  let scale = 1.0 / sqrt(team_sum(total(squares), lane) * params.share + params.eps);
  let own = row / params.each * params.width;
  for (var i = lane; i < params.width; i += LANES) {
    store_y(base + i, gain((load_x(base + i) - mean) * scale, own + i));
  }
  if (lane == 0u) {
    store_stats(2u * row, mean);
    store_stats(2u * row + 1u, scale);
  }
}
`;

/** With g = gamma dy and n = normalised x: dx = scale (g - mean(g) - n mean(g n)). */
const BACKWARD = `
fn run(row: u32, lane: u32) {
  let base = row * params.width;
  let mean = load_stats(2u * row);
  let scale = load_stats(2u * row + 1u);
  let own = row / params.each * params.width;
  var sum = T();
  var dot = T();
  for (var i = lane; i < params.width; i += LANES) {
    let g = gain(load_dy(base + i), own + i);
    sum += g;
    dot += g * (load_x(base + i) - mean);
  }
  let mean_g = team_sum(total(sum), lane) * params.share;
  let mean_gn = team_sum(total(dot), lane) * params.share * scale;
  for (var i = lane; i < params.width; i += LANES) {
    let n = (load_x(base + i) - mean) * scale;
    store_dx(base + i, scale * (gain(load_dy(base + i), own + i) - mean_g - n * mean_gn));
  }
}
`;

/** The terms that are summed over rows: dy · normalised x, and dy. */
const GAINS = `
fn terms(row: u32, c: u32) -> vec2<f32> {
  let dy = load_dy(row * params.width + c);
  let n = (load_x(row * params.width + c) - load_stats(2u * row)) * load_stats(2u * row + 1u);
  return vec2<f32>(dy * n, dy);
}
`;

const share = (site: OpSite): { f32: number } => ({ f32: 1 / lastOf(at(site.inputs, 0).shape) });

/** Number of neighbouring rows that share a gain: all rows, or with gains [G,D] an equal part of them. */
const each = (x: TensorType, gains: TensorType | undefined): number =>
  sizeOf(x.shape) / lastOf(x.shape) / groupsOf(gains);

const groupsOf = (gains: TensorType | undefined): number => (gains?.shape.length === 2 ? at(gains.shape, 0) : 1);

/** @throws Error unless it is [D], or [G,D] where G divides the rows */
function expectGains(gains: TensorType, x: TensorType, name: string): void {
  const width = lastOf(x.shape);
  const grouped = gains.shape.length === 2;
  expectShape(gains, grouped ? [at(gains.shape, 0), width] : [width], name);
  if (!Number.isInteger(each(x, gains))) {
    throw new Error(`${sizeOf(x.shape) / width} rows do not divide into ${at(gains.shape, 0)} groups of equal gain`);
  }
}

/** Mean and scale of each row, in f64. */
function rowStats(x: Float64Array, width: number, eps: number): Float64Array {
  const stats = new Float64Array((2 * x.length) / width);
  for (let r = 0; r * width < x.length; r++) {
    const row = x.subarray(r * width, (r + 1) * width);
    const m = row.reduce((n, a) => n + a, 0) / width;
    stats[2 * r] = m;
    stats[2 * r + 1] = 1 / Math.sqrt(row.reduce((n, a) => n + (a - m) ** 2, 0) / width + eps);
  }
  return stats;
}

/** Maps x, stats, dy and optionally gamma to dx. */
const backwardOp = defineOp<None>({
  name: 'layer_norm_backward',
  storesOnce: true,
  infer: (inputs) => {
    const [x, dy, gamma] = [at(inputs, 0), at(inputs, 2), inputs[3]];
    expectShape(dy, x.shape, 'dy');
    if (gamma) {
      expectGains(gamma, x, 'gamma');
    }
    return [{ dtype: dy.dtype, shape: x.shape }];
  },
  reference: ([x, stats, dy, gamma], site) => {
    const width = lastOf(at(site.outputs, 0).shape);
    const [v, s, d] = [x?.data ?? [], stats?.data ?? [], dy?.data ?? []];
    const dx = new Float64Array(v.length);
    const rows = each(at(site.inputs, 0), site.inputs[3]);
    for (let r = 0; r * width < v.length; r++) {
      const [m, scale] = [at(s, 2 * r), at(s, 2 * r + 1)];
      const own = Math.floor(r / rows) * width;
      const g = Array.from({ length: width }, (_, i) => at(d, r * width + i) * (gamma?.data[own + i] ?? 1));
      const n = Array.from({ length: width }, (_, i) => (at(v, r * width + i) - m) * scale);
      const meanG = g.reduce((a, b) => a + b, 0) / width;
      const meanGn = g.reduce((a, b, i) => a + b * at(n, i), 0) / width;
      g.forEach((gi, i) => {
        dx[r * width + i] = scale * (gi - meanG - at(n, i) * meanGn);
      });
    }
    return [dx];
  },
  variants: rowVariants('layer_norm_backward', BACKWARD, ['x', 'stats', 'dy', 'gamma'], ['dx'], {
    single: ['stats'],
    params: (site) => ({ share: share(site), each: each(at(site.inputs, 0), site.inputs[3]) }),
    snippet: (site) => at(AFFINE, site.inputs.length - 2),
  }),
  cost: (site) => elementCost(site, 10),
  cases: [
    { name: 'odd', inputs: [{ shape: [3, 7] }, { shape: [3, 2] }, { shape: [3, 7] }, { shape: [7] }], attrs: {} },
    { name: 'no gain', inputs: [{ shape: [3, 8] }, { shape: [3, 2] }, { shape: [3, 8] }], attrs: {} },
    {
      name: 'vec4',
      inputs: [{ shape: [3, 136] }, { shape: [3, 2] }, { shape: [3, 136] }, { shape: [136] }],
      attrs: {},
    },
    {
      name: 'two groups',
      inputs: [{ shape: [2, 3, 8] }, { shape: [6, 2] }, { shape: [2, 3, 8] }, { shape: [2, 8] }],
      attrs: {},
    },
  ],
});

/** Maps x, stats, dy to the gradients of gamma and beta. */
const gainsOp = defineOp<None>({
  name: 'layer_norm_backward_gains',
  infer: (inputs) => {
    const width = lastOf(at(inputs, 0).shape);
    return [
      { dtype: 'f32', shape: [width] },
      { dtype: 'f32', shape: [width] },
    ];
  },
  reference: ([x, stats, dy], site) => {
    const width = lastOf(at(site.inputs, 0).shape);
    const [v, s, d] = [x?.data ?? [], stats?.data ?? [], dy?.data ?? []];
    const gamma = new Float64Array(width);
    const beta = new Float64Array(width);
    for (let i = 0; i < v.length; i++) {
      const [row, c] = [Math.floor(i / width), i % width];
      gamma[c] = at(gamma, c) + at(d, i) * (at(v, i) - at(s, 2 * row)) * at(s, 2 * row + 1);
      beta[c] = at(beta, c) + at(d, i);
    }
    return [gamma, beta];
  },
  variants: columnSumVariants('layer_norm_backward_gains', GAINS, ['x', 'stats', 'dy'], (site) => {
    const { shape } = at(site.inputs, 0);
    return { rows: sizeOf(shape) / lastOf(shape), width: lastOf(shape) };
  }),
  cost: (site) => ({ ...elementCost(site, 0), flops: 6 * sizeOf(at(site.inputs, 0).shape) }),
  cases: [
    { name: 'odd', inputs: [{ shape: [3, 7] }, { shape: [3, 2] }, { shape: [3, 7] }], attrs: {} },
    { name: 'many rows', inputs: [{ shape: [2, 67, 4] }, { shape: [134, 2] }, { shape: [2, 67, 4] }], attrs: {} },
  ],
});

export const layerNormOp: Op<LayerNorm> = defineOp<LayerNorm>({
  name: 'layer_norm',
  storesOnce: true,
  infer: (inputs) => {
    const x = at(inputs, 0);
    const width = lastOf(x.shape);
    inputs.slice(1).forEach((t, i) => {
      expectGains(t, x, i === 0 ? 'gamma' : 'beta');
    });
    if (inputs[2] && groupsOf(inputs[1]) !== groupsOf(inputs[2])) {
      throw new Error('gamma and beta must have one shape');
    }
    return [
      { dtype: x.dtype, shape: x.shape },
      { dtype: 'f32', shape: [sizeOf(x.shape) / width, 2] },
    ];
  },
  vjp: ({ inputs, outputs, attrs, dy }) => {
    const [x, stats, gamma] = [at(inputs, 0), at(outputs, 1), inputs[1]];
    const groups = groupsOf(gamma?.type);
    const perGroup = (t: Tensor): Tensor => sum(reshape(t, [groups, -1, x.dim(-1)]), [1]);
    return [
      () => backwardOp.one(gamma ? [x, stats, dy, gamma] : [x, stats, dy], {}),
      ...(groups > 1
        ? [() => perGroup(mul(dy, layerNormOp.one([x], attrs))), () => perGroup(dy)]
        : [() => at(gainsOp.call([x, stats, dy], {}), 0), () => at(gainsOp.call([x, stats, dy], {}), 1)]),
    ];
  },
  reference: ([x, gamma, beta], site) => {
    const width = lastOf(at(site.inputs, 0).shape);
    const v = x?.data ?? new Float64Array();
    const stats = rowStats(v, width, site.attrs.eps);
    const rows = each(at(site.inputs, 0), site.inputs[1]);
    const y = v.map((a, i) => {
      const row = Math.floor(i / width);
      const n = (a - at(stats, 2 * row)) * at(stats, 2 * row + 1);
      const c = Math.floor(row / rows) * width + (i % width);
      return n * (gamma?.data[c] ?? 1) + (beta?.data[c] ?? 0);
    });
    return [y, stats];
  },
  variants: rowVariants<LayerNorm>('layer_norm', FORWARD, ['x', 'gamma', 'beta'], ['y', 'stats'], {
    single: ['stats'],
    params: (site) => ({
      share: share(site),
      eps: { f32: site.attrs.eps },
      each: each(at(site.inputs, 0), site.inputs[1]),
    }),
    snippet: (site) => at(AFFINE, site.inputs.length),
  }),
  cost: (site) => elementCost(site, 8),
  cases: [
    { name: 'odd', inputs: [{ shape: [3, 7] }, { shape: [7] }, { shape: [7] }], attrs: { eps: 1e-5 } },
    { name: 'vec4', inputs: [{ shape: [2, 3, 136] }, { shape: [136] }, { shape: [136] }], attrs: { eps: 1e-5 } },
    { name: 'plain', inputs: [{ shape: [3, 8] }], attrs: { eps: 1e-6 } },
    { name: 'gain only', inputs: [{ shape: [3, 8] }, { shape: [8] }], attrs: { eps: 1e-6 } },
    {
      name: 'f16 weights',
      inputs: [{ shape: [3, 8] }, { shape: [8], dtype: 'f16' }, { shape: [8], dtype: 'f16' }],
      attrs: { eps: 1e-5 },
    },
    { name: 'f16', inputs: [{ shape: [3, 8], dtype: 'f16' }], attrs: { eps: 1e-5 } },
    { name: 'two groups', inputs: [{ shape: [4, 3, 8] }, { shape: [2, 8] }, { shape: [2, 8] }], attrs: { eps: 1e-5 } },
    { name: 'three groups, odd', inputs: [{ shape: [6, 5] }, { shape: [3, 5] }], attrs: { eps: 1e-5 } },
  ],
  composition: ([x, gamma, beta], { eps }) => {
    if (!x) {
      throw new Error('layer_norm of nothing');
    }
    const centred = sub(x, mean(x, [-1], true));
    const n = mul(centred, rsqrt(affine(mean(square(centred), [-1], true), 1, eps)));
    const groups = groupsOf(gamma?.type);
    const apart = reshape(n, [groups, -1, x.dim(-1)]);
    const own = (gains: Tensor): Tensor => reshape(gains, [groups, 1, x.dim(-1)]);
    const scaled = gamma ? mul(apart, own(gamma)) : apart;
    return reshape(beta ? add(scaled, own(beta)) : scaled, x.shape);
  },
});

/**
 * LayerNorm over the last axis, with gain `gamma` and offset `beta` if given: [D], or [G,D] for G equal parts of the rows.
 * @throws Error when their shapes do not fit.
 */
export function layerNorm(x: Tensor, gamma: Tensor | null, beta: Tensor | null, eps: number): Tensor {
  const width = x.dim(-1);
  const scale = gamma ?? (beta ? x.graph.constant(new Float64Array(width).fill(1), [width]) : null);
  return layerNormOp.one([x, ...(scale ? [scale] : []), ...(beta ? [beta] : [])], { eps });
}
