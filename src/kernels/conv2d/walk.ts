/** The one walk over taps that convolution and its input gradient are (walk_wgsl.ts): what it walks for a use of either. */
import type { OpSite } from '../../tensor/op.ts';
import type { BackwardInputAttrs, Conv2dAttrs, Sizes } from './sizes.ts';
import { forwardSizes, siteBackwardInputSizes } from './sizes.ts';
import type { Winograd } from './winograd/winograd.ts';

/** What CONV2D_WALK does: `cin` channels of source pixels to `cout` of `pixels`, times `groups`. */
export interface Walk {
  readonly s: Sizes;
  readonly forward: boolean;
  readonly cin: number;
  readonly cout: number;
  readonly pixels: number;
  readonly groups: number;
  /** The kernel's last axis is `cin`. */
  readonly transposeWeight: boolean;
}

/** The walk over a convolution of sizes `s`, forward or to its input's gradient. */
function walkOf(s: Sizes, direction: 'forward' | 'backward', transposeWeight: boolean): Walk {
  const forward = direction === 'forward';
  const classes = forward ? 1 : s.stride;
  const [height, width, cout] = forward ? [s.outHeight, s.outWidth, s.cout] : [s.height, s.width, s.cin];
  const pixels = s.images * Math.ceil(height / classes) * Math.ceil(width / classes);
  return { s, forward, cin: forward ? s.cin : s.cout, cout, pixels, groups: classes * classes, transposeWeight };
}

export const forwardWalk = (site: OpSite<Conv2dAttrs>): Walk =>
  walkOf(forwardSizes(site), 'forward', site.attrs.transposeWeight ?? false);

export const backwardWalk = (site: OpSite<BackwardInputAttrs>): Walk =>
  walkOf(siteBackwardInputSizes(site), 'backward', site.attrs.transposeWeight ?? false);

/** The walk by winograd/winograd.ts; null where the kernel is not 3x3 or the stride not 1. */
export function winogradOf({ s, forward, cin, cout, transposeWeight }: Walk): Winograd | null {
  if (s.kh !== 3 || s.kw !== 3 || s.stride !== 1) {
    return null;
  }
  const image = { images: s.images, cin, cout, transposeWeight, turned: !forward };
  return forward
    ? {
        ...image,
        sourceHeight: s.height,
        sourceWidth: s.width,
        outHeight: s.outHeight,
        outWidth: s.outWidth,
        top: s.top,
        left: s.left,
      }
    : {
        ...image,
        sourceHeight: s.outHeight,
        sourceWidth: s.outWidth,
        outHeight: s.height,
        outWidth: s.width,
        top: 2 - s.top,
        left: 2 - s.left,
      };
}
