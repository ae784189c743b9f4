/**
 * GroupNorm (+ SiLU) of x [N, …, C], statistics in f32. Outputs: y, and [N, groups, 2] mean and 1/√(variance + eps).
 * Three passes: partial statistics of each group by chunks of pixels; their combination, as one scale and shift a
 * channel; y = silu(x · scale + shift). naive: chunks by one invocation each, scalar. cpu_columns: for CPU
 * drivers (columns.ts). gpu_one_pass, gpu_two_pass: for GPUs (gpu.ts).
 */
import { defineOp } from '../../tensor/op.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { at } from '../../tensor/types.ts';
import { add, mul, sub } from '../binary.ts';
import { siluOf } from '../common/math.ts';
import { elementCost, expectShape, lastOf } from '../common/site.ts';
import { mean } from '../reduce/reduce.ts';
import { reshape } from '../reshape.ts';
import { affine, rsqrt, silu, square } from '../unary.ts';
import { groupNormBackward, groupNormBackwardGains } from './backward.ts';
import { forwardByColumns } from './columns.ts';
import { extentOf, forEachElement } from './extent.ts';
import { FORWARD_LAST } from './last_pass_wgsl.ts';
import { FORWARD_ONE } from './one_pass_wgsl.ts';
import { given, made } from './operands.ts';
import { APPLY, COMBINE, STATISTICS } from './passes_wgsl.ts';
import { groupNormVariants } from './variants.ts';

type GroupNorm = { readonly groups: number; readonly eps: number; readonly silu: boolean };

const groupNormOp = defineOp<GroupNorm>({
  name: 'group_norm',
  storesOnce: true,
  infer: (inputs, { groups }) => {
    const [x, gamma, beta] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)];
    const channels = lastOf(x.shape);
    if (x.shape.length < 2 || channels % groups !== 0) {
      throw new Error(`[${x.shape.join(',')}] does not divide into ${groups} groups of channels`);
    }
    expectShape(gamma, [channels], 'gamma');
    expectShape(beta, [channels], 'beta');
    return [
      { dtype: x.dtype, shape: x.shape },
      { dtype: 'f32', shape: [at(x.shape, 0), groups, 2] },
    ];
  },
  vjp: ({ inputs, outputs, attrs, dy }) => {
    const [x, gamma, beta, stats] = [at(inputs, 0), at(inputs, 1), at(inputs, 2), at(outputs, 1)];
    const all = [x, stats, gamma, beta, dy];
    const { silu } = attrs;
    return [
      () => groupNormBackward.one(all, { silu }),
      () => at(groupNormBackwardGains.call(all, { silu }), 0),
      () => at(groupNormBackwardGains.call(all, { silu }), 1),
    ];
  },
  reference: (inputs, site) => {
    const [x, gamma, beta] = [at(inputs, 0).data, at(inputs, 1).data, at(inputs, 2).data];
    const { groups, eps, silu } = site.attrs;
    const extent = extentOf(at(site.outputs, 0).shape, groups);
    const count = extent.pixels * extent.perGroup;
    const stats = new Float64Array(2 * extent.images * groups);
    forEachElement(extent, (i, k) => {
      stats[2 * k] = at(stats, 2 * k) + at(x, i) / count;
    });
    forEachElement(extent, (i, k) => {
      stats[2 * k + 1] = at(stats, 2 * k + 1) + (at(x, i) - at(stats, 2 * k)) ** 2 / count;
    });
    for (let k = 1; k < stats.length; k += 2) {
      stats[k] = 1 / Math.sqrt(at(stats, k) + eps);
    }
    const y = new Float64Array(x.length);
    forEachElement(extent, (i, k, c) => {
      const z = (at(x, i) - at(stats, 2 * k)) * at(stats, 2 * k + 1) * at(gamma, c) + at(beta, c);
      y[i] = silu ? siluOf(z) : z;
    });
    return [y, stats];
  },
  variants: groupNormVariants<GroupNorm>(
    'group_norm',
    (site) => ({
      extent: extentOf(at(site.outputs, 0).shape, site.attrs.groups),
      rows: 2,
      eps: site.attrs.eps,
      code: { sums: STATISTICS, combine: COMBINE, apply: APPLY, one: FORWARD_ONE, last: FORWARD_LAST },
      sums: [given('x', 0)],
      combine: [given('gamma', 1), given('beta', 2), made('stats', 1)],
      apply: [given('x', 0), made('y', 0)],
      all: [given('x', 0), given('gamma', 1), given('beta', 2), made('y', 0), made('stats', 1, false)],
    }),
    (columns, site) => forwardByColumns(columns, site.attrs.eps),
  ),
  cost: (site) => elementCost(site, site.attrs.silu ? 12 : 7),
  cases: [
    {
      name: 'odd',
      inputs: [{ shape: [2, 3, 5, 6] }, { shape: [6] }, { shape: [6] }],
      attrs: { groups: 2, eps: 1e-5, silu: false },
    },
    {
      name: 'silu',
      inputs: [{ shape: [2, 3, 5, 6] }, { shape: [6] }, { shape: [6] }],
      attrs: { groups: 3, eps: 1e-5, silu: true },
    },
    {
      name: 'vec4',
      inputs: [{ shape: [2, 3, 3, 8] }, { shape: [8] }, { shape: [8] }],
      attrs: { groups: 2, eps: 1e-6, silu: true },
    },
    {
      name: 'vec4 across groups',
      inputs: [{ shape: [1, 3, 3, 12] }, { shape: [12] }, { shape: [12] }],
      attrs: { groups: 6, eps: 1e-6, silu: false },
    },
    {
      name: 'chunks',
      inputs: [{ shape: [1, 9, 9, 4] }, { shape: [4] }, { shape: [4] }],
      attrs: { groups: 1, eps: 1e-6, silu: true },
    },
    {
      name: 'several chunks and parts',
      inputs: [{ shape: [2, 35, 33, 32] }, { shape: [32] }, { shape: [32] }],
      attrs: { groups: 2, eps: 1e-6, silu: true },
      grad: [], // finite differences of thousands of inputs; smaller cases take them
    },
    {
      name: 'several parts across groups',
      inputs: [{ shape: [1, 35, 33, 32] }, { shape: [32] }, { shape: [32] }],
      attrs: { groups: 16, eps: 1e-6, silu: false },
      grad: [],
    },
    {
      name: 'tokens',
      inputs: [{ shape: [2, 5, 4] }, { shape: [4] }, { shape: [4] }],
      attrs: { groups: 4, eps: 1e-6, silu: false },
    },
    {
      name: 'f16 weights',
      inputs: [{ shape: [1, 3, 2, 8] }, { shape: [8], dtype: 'f16' }, { shape: [8], dtype: 'f16' }],
      attrs: { groups: 2, eps: 1e-5, silu: true },
    },
    {
      name: 'f16',
      inputs: [{ shape: [1, 3, 2, 8], dtype: 'f16' }, { shape: [8] }, { shape: [8] }],
      attrs: { groups: 2, eps: 1e-5, silu: true },
    },
  ],
  composition: (inputs, attrs) => {
    const [x, gamma, beta] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)];
    const { images, pixels, groups, perGroup } = extentOf(x.shape, attrs.groups);
    const grouped = reshape(x, [images, pixels, groups, perGroup]);
    const centred = sub(grouped, mean(grouped, [1, 3], true));
    const n = mul(centred, rsqrt(affine(mean(square(centred), [1, 3], true), 1, attrs.eps)));
    const z = add(mul(reshape(n, x.shape), gamma), beta);
    return attrs.silu ? silu(z) : z;
  },
});

/**
 * GroupNorm over channel groups of x [N, …, C] with gain `gamma` [C] and offset `beta` [C]; then SiLU if asked for.
 * @throws Error when C is no multiple of `groups` or a shape does not fit.
 */
export const groupNorm = (
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  options: { readonly groups: number; readonly eps: number; readonly silu?: boolean },
): Tensor =>
  groupNormOp.one([x, gamma, beta], { groups: options.groups, eps: options.eps, silu: options.silu ?? false });
