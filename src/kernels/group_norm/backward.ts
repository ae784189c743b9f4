/**
 * The gradients of GroupNorm. With the normalised n = (x - mean) scale, scale = 1/√(variance + eps), z = gamma n + beta and
 * y = activate(z), let dz = dy activate'(z) and g = gamma dz. Then, with means over the image's group,
 *
 *   dx = scale (g - mean(g) - n mean(g n)),   dgamma = Σ dz n,   dbeta = Σ dz,   summed over images and pixels.
 */
import type { HostArray } from '../../tensor/op.ts';
import { defineOp } from '../../tensor/op.ts';
import { at, sizeOf } from '../../tensor/types.ts';
import { columnSumVariants } from '../common/column_sums.ts';
import { siluSlopeOf } from '../common/math.ts';
import { elementCost, expectShape } from '../common/site.ts';
import { BACKWARD_CASES, GAIN_CASES } from './cases.ts';
import type { BackwardAttrs } from './shapes.ts';
import { activationCode, backwardExtent, forEachElement } from './shapes.ts';
import { BACKWARD_VARIANTS } from './variants.ts';

const dataOf = (inputs: readonly HostArray[]) =>
  [at(inputs, 0).data, at(inputs, 1).data, at(inputs, 2).data, at(inputs, 3).data, at(inputs, 4).data] as const;

/** x, stats, gamma, beta, dy → dx. */
export const groupNormBackward = defineOp<BackwardAttrs>({
  name: 'group_norm_backward',
  storesOnce: true,
  infer: (inputs) => {
    const [x, dy] = [at(inputs, 0), at(inputs, 4)];
    expectShape(dy, x.shape, 'dy');
    return [{ dtype: dy.dtype, shape: x.shape }];
  },
  reference: (inputs, site) => {
    const [x, stats, gamma, beta, dy] = dataOf(inputs);
    const extent = backwardExtent(site);
    const count = extent.pixels * extent.perGroup;
    const g = new Float64Array(x.length);
    const n = new Float64Array(x.length);
    const means = new Float64Array(stats.length);
    forEachElement(extent, (i, k, c) => {
      const ni = (at(x, i) - at(stats, 2 * k)) * at(stats, 2 * k + 1);
      const gi = at(gamma, c) * at(dy, i) * (site.attrs.silu ? siluSlopeOf(ni * at(gamma, c) + at(beta, c)) : 1);
      n[i] = ni;
      g[i] = gi;
      means[2 * k] = at(means, 2 * k) + gi / count;
      means[2 * k + 1] = at(means, 2 * k + 1) + (gi * ni) / count;
    });
    const dx = new Float64Array(x.length);
    forEachElement(extent, (i, k) => {
      dx[i] = at(stats, 2 * k + 1) * (at(g, i) - at(means, 2 * k) - at(n, i) * at(means, 2 * k + 1));
    });
    return [dx];
  },
  variants: BACKWARD_VARIANTS,
  cost: (site) => elementCost(site, site.attrs.silu ? 28 : 16),
  cases: BACKWARD_CASES,
});

/** The terms that one element adds to dgamma and dbeta of its channel. */
const GAIN_TERMS = `
fn terms(row: u32, c: u32) -> vec2<f32> {
  let i = row * params.width + c;
  let statistics = 2u * (quotient(row, params.pixels) * params.groups + quotient(c, params.per_group));
  let n = (load_x(i) - load_stats(statistics)) * load_stats(statistics + 1u);
  let dz = load_dy(i) * activate_slope(n * load_gamma(c) + load_beta(c));
  return vec2<f32>(dz * n, dz);
}
`;

/** x, stats, gamma, beta, dy → dgamma, dbeta. */
export const groupNormBackwardGains = defineOp<BackwardAttrs>({
  name: 'group_norm_backward_gains',
  infer: (inputs) => {
    const { shape } = at(inputs, 2);
    return [
      { dtype: 'f32', shape },
      { dtype: 'f32', shape },
    ];
  },
  reference: (inputs, site) => {
    const [x, stats, gamma, beta, dy] = dataOf(inputs);
    const dgamma = new Float64Array(gamma.length);
    const dbeta = new Float64Array(gamma.length);
    forEachElement(backwardExtent(site), (i, k, c) => {
      const n = (at(x, i) - at(stats, 2 * k)) * at(stats, 2 * k + 1);
      const dz = at(dy, i) * (site.attrs.silu ? siluSlopeOf(n * at(gamma, c) + at(beta, c)) : 1);
      dgamma[c] = at(dgamma, c) + dz * n;
      dbeta[c] = at(dbeta, c) + dz;
    });
    return [dgamma, dbeta];
  },
  variants: columnSumVariants<BackwardAttrs>(
    'group_norm_backward_gains',
    GAIN_TERMS,
    ['x', 'stats', 'gamma', 'beta', 'dy'],
    (site) => {
      const { images, pixels, channels, groups, perGroup } = backwardExtent(site);
      return {
        rows: images * pixels,
        width: channels,
        params: { pixels, groups, per_group: perGroup },
        snippet: activationCode(site.attrs),
      };
    },
  ),
  cost: (site) => ({ ...elementCost(site, 0), flops: 20 * sizeOf(at(site.inputs, 0).shape) }),
  cases: GAIN_CASES,
});
