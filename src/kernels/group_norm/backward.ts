/** The gradients of GroupNorm: to x, and to its gains and offsets. */
import type { HostArray } from '../../tensor/op.ts';
import { defineOp } from '../../tensor/op.ts';
import { at, sizeOf } from '../../tensor/types.ts';
import { columnVariants } from '../common/columns.ts';
import { siluSlopeOf } from '../common/math.ts';
import { elementCost, expectShape } from '../common/site.ts';
import { activationOf } from './activation.ts';
import { backwardByColumns } from './columns.ts';
import { extentOf, forEachElement } from './extent.ts';
import { BACKWARD_LAST } from './last_pass_wgsl.ts';
import { BACKWARD_ONE } from './one_pass_wgsl.ts';
import { given, made } from './operands.ts';
import { BACKWARD_APPLY, BACKWARD_COMBINE, BACKWARD_SUMS, GAINS } from './passes_wgsl.ts';
import { groupNormVariants } from './variants.ts';

type Backward = { readonly silu: boolean };

const backwardOperands = (inputs: readonly HostArray[]) =>
  [at(inputs, 0).data, at(inputs, 1).data, at(inputs, 2).data, at(inputs, 3).data, at(inputs, 4).data] as const;

/** x, stats, gamma, beta, dy → dx. */
export const groupNormBackward = defineOp<Backward>({
  name: 'group_norm_backward',
  storesOnce: true,
  infer: (inputs) => {
    const [x, dy] = [at(inputs, 0), at(inputs, 4)];
    expectShape(dy, x.shape, 'dy');
    return [{ dtype: dy.dtype, shape: x.shape }];
  },
  reference: (inputs, site) => {
    const [x, stats, gamma, beta, dy] = backwardOperands(inputs);
    const extent = extentOf(at(site.outputs, 0).shape, at(at(site.inputs, 1).shape, 1));
    const count = extent.pixels * extent.perGroup;
    const g = new Float64Array(x.length);
    const n = new Float64Array(x.length);
    const sums = new Float64Array(stats.length);
    forEachElement(extent, (i, k, c) => {
      const ni = (at(x, i) - at(stats, 2 * k)) * at(stats, 2 * k + 1);
      const gi = at(gamma, c) * at(dy, i) * (site.attrs.silu ? siluSlopeOf(ni * at(gamma, c) + at(beta, c)) : 1);
      n[i] = ni;
      g[i] = gi;
      sums[2 * k] = at(sums, 2 * k) + gi / count;
      sums[2 * k + 1] = at(sums, 2 * k + 1) + (gi * ni) / count;
    });
    const dx = new Float64Array(x.length);
    forEachElement(extent, (i, k) => {
      dx[i] = at(stats, 2 * k + 1) * (at(g, i) - at(sums, 2 * k) - at(n, i) * at(sums, 2 * k + 1));
    });
    return [dx];
  },
  variants: groupNormVariants<Backward>(
    'group_norm_backward',
    (site) => ({
      extent: extentOf(at(site.outputs, 0).shape, at(at(site.inputs, 1).shape, 1)),
      rows: 4,
      code: {
        sums: BACKWARD_SUMS,
        combine: BACKWARD_COMBINE,
        apply: BACKWARD_APPLY,
        one: BACKWARD_ONE,
        last: BACKWARD_LAST,
      },
      sums: [given('x', 0), given('stats', 1, false), given('gamma', 2), given('beta', 3), given('dy', 4)],
      combine: [given('stats', 1), given('gamma', 2), given('beta', 3)],
      apply: [given('x', 0), given('dy', 4), made('dx', 0)],
      all: [
        given('x', 0),
        given('stats', 1, false),
        given('gamma', 2),
        given('beta', 3),
        given('dy', 4),
        made('dx', 0),
      ],
    }),
    backwardByColumns,
  ),
  cost: (site) => elementCost(site, site.attrs.silu ? 28 : 16),
  cases: [false, true].flatMap((silu) => [
    {
      name: `odd${silu ? ', silu' : ''}`,
      inputs: [{ shape: [2, 3, 5, 6] }, { shape: [2, 2, 2] }, { shape: [6] }, { shape: [6] }, { shape: [2, 3, 5, 6] }],
      attrs: { silu },
    },
    {
      name: `vec4, chunks${silu ? ', silu' : ''}`,
      inputs: [{ shape: [1, 9, 9, 8] }, { shape: [1, 2, 2] }, { shape: [8] }, { shape: [8] }, { shape: [1, 9, 9, 8] }],
      attrs: { silu },
    },
    {
      name: `several chunks and parts${silu ? ', silu' : ', across groups'}`,
      inputs: [
        { shape: [1, 35, 33, 32] },
        { shape: [1, silu ? 2 : 16, 2] },
        { shape: [32] },
        { shape: [32] },
        { shape: [1, 35, 33, 32] },
      ],
      attrs: { silu },
      grad: [], // finite differences of thousands of inputs; smaller cases take them
    },
  ]),
});

/** x, stats, gamma, beta, dy → gradients of gamma and beta. */
export const groupNormBackwardGains = defineOp<Backward>({
  name: 'group_norm_backward_gains',
  infer: (inputs) => {
    const { shape } = at(inputs, 2);
    return [
      { dtype: 'f32', shape },
      { dtype: 'f32', shape },
    ];
  },
  reference: (inputs, site) => {
    const [x, stats, gamma, beta, dy] = backwardOperands(inputs);
    const dgamma = new Float64Array(gamma.length);
    const dbeta = new Float64Array(gamma.length);
    forEachElement(extentOf(at(site.inputs, 0).shape, at(at(site.inputs, 1).shape, 1)), (i, k, c) => {
      const n = (at(x, i) - at(stats, 2 * k)) * at(stats, 2 * k + 1);
      const dz = at(dy, i) * (site.attrs.silu ? siluSlopeOf(n * at(gamma, c) + at(beta, c)) : 1);
      dgamma[c] = at(dgamma, c) + dz * n;
      dbeta[c] = at(dbeta, c) + dz;
    });
    return [dgamma, dbeta];
  },
  variants: columnVariants<Backward>(
    'group_norm_backward_gains',
    GAINS,
    ['x', 'stats', 'gamma', 'beta', 'dy'],
    (site) => {
      const { images, pixels, channels, groups, perGroup } = extentOf(
        at(site.inputs, 0).shape,
        at(at(site.inputs, 1).shape, 1),
      );
      return {
        rows: images * pixels,
        width: channels,
        params: { pixels, groups, per_group: perGroup },
        snippet: activationOf(site.attrs),
      };
    },
  ),
  cost: (site) => ({ ...elementCost(site, 0), flops: 20 * sizeOf(at(site.inputs, 0).shape) }),
  cases: [false, true].map((silu) => ({
    name: silu ? 'silu' : 'plain',
    inputs: [{ shape: [2, 7, 5, 6] }, { shape: [2, 3, 2] }, { shape: [6] }, { shape: [6] }, { shape: [2, 7, 5, 6] }],
    attrs: { silu },
  })),
});
