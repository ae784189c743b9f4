/**
 * GroupNorm (+ SiLU) of x [N, …, C] (Wu and He 2018): y = activate(gamma (x - mean) / √(variance + eps) + beta), mean and
 * variance over the pixels and channels of each group of an image, in f32. A second output [N, groups, 2] holds the mean
 * and 1/√(variance + eps) for the backward ops.
 */
import { defineOp } from '../../tensor/op.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { at } from '../../tensor/types.ts';
import { siluOf } from '../common/math.ts';
import { elementCost, expectShape, lastOf } from '../common/site.ts';
import { add, mul, sub } from '../elementwise/binary.ts';
import { affine, rsqrt, silu, square } from '../elementwise/unary.ts';
import { mean } from '../reduce/reduce.ts';
import { reshape } from '../reshape.ts';
import { groupNormBackward, groupNormBackwardGains } from './backward.ts';
import { FORWARD_CASES } from './cases.ts';
import type { GroupNormAttrs } from './shapes.ts';
import { extentOf, forEachElement, forwardExtent } from './shapes.ts';
import { FORWARD_VARIANTS } from './variants.ts';

const groupNormOp = defineOp<GroupNormAttrs>({
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
    const extent = forwardExtent(site);
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
  variants: FORWARD_VARIANTS,
  cost: (site) => elementCost(site, site.attrs.silu ? 12 : 7),
  cases: FORWARD_CASES,
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
