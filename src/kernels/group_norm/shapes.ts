/** Attributes of the GroupNorm ops, the sizes of one use of them, and what several variants bind and call. */
import type { Binding } from '../../tensor/dispatch.ts';
import type { OpSite } from '../../tensor/op.ts';
import type { Shape } from '../../tensor/types.ts';
import { at, sizeOf } from '../../tensor/types.ts';
import { read, write } from '../common/bindings.ts';
import { SIGMOID, SILU } from '../common/math.ts';
import { lastOf } from '../common/site.ts';

export type GroupNormAttrs = { readonly groups: number; readonly eps: number; readonly silu: boolean };
export type BackwardAttrs = { readonly silu: boolean };

/** Sizes of x [images, pixels…, channels]; a group is `perGroup` channels that lie side by side. */
export interface Extent {
  readonly images: number;
  readonly pixels: number;
  readonly channels: number;
  readonly groups: number;
  readonly perGroup: number;
}

export function extentOf(shape: Shape, groups: number): Extent {
  const [images, channels] = [at(shape, 0), lastOf(shape)];
  return { images, pixels: sizeOf(shape) / images / channels, channels, groups, perGroup: channels / groups };
}

export const forwardExtent = (site: OpSite<GroupNormAttrs>): Extent =>
  extentOf(at(site.inputs, 0).shape, site.attrs.groups);

/** Sizes of one use of either backward op; its inputs 0 and 1 are x and the statistics [images, groups, 2]. */
export const backwardExtent = (site: OpSite<BackwardAttrs>): Extent =>
  extentOf(at(site.inputs, 0).shape, at(at(site.inputs, 1).shape, 1));

/** Calls `visit(element, group, channel)` for every element; groups are counted through all images. */
export function forEachElement(
  { images, pixels, channels, groups, perGroup }: Extent,
  visit: (i: number, k: number, c: number) => void,
): void {
  for (let i = 0; i < images * pixels * channels; i++) {
    const c = i % channels;
    visit(i, Math.floor(i / (pixels * channels)) * groups + Math.floor(c / perGroup), c);
  }
}

/** Inputs and outputs of group_norm; all but the statistics in vectors of `vec` channels. */
export const forwardBindings = (vec: 1 | 4): Binding[] => [
  read('x', 0, vec),
  read('gamma', 1, vec),
  read('beta', 2, vec),
  write('y', 0, vec),
  write('stats', 1),
];

/** Inputs of group_norm_backward; all but the statistics in vectors of `vec` channels. */
export const backwardInputs = (vec: 1 | 4): Binding[] => [
  read('x', 0, vec),
  read('stats', 1),
  read('gamma', 2, vec),
  read('beta', 3, vec),
  read('dy', 4, vec),
];

export const backwardBindings = (vec: 1 | 4): Binding[] => [...backwardInputs(vec), write('dx', 0, vec)];

const IDENTITY = `
fn activate(z: T) -> T { return z; }
fn activate_slope(z: T) -> T { return T(1.0); }
`;
const SILU_ACTIVATION = `${SIGMOID}${SILU}
fn activate(z: T) -> T { return silu(z); }
fn activate_slope(z: T) -> T { return silu_slope(z); }
`;

/** WGSL of the activation and its derivative, over T. */
export const activationCode = ({ silu }: BackwardAttrs): string => (silu ? SILU_ACTIVATION : IDENTITY);
