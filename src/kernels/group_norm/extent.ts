/** Sizes of a use of GroupNorm: x [images, pixels…, channels], channels in groups. */
import type { Shape } from '../../tensor/types.ts';
import { at, sizeOf } from '../../tensor/types.ts';
import { lastOf } from '../common/site.ts';

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

/** Calls `visit(element, group of its image, channel)` for every element. */
export function forEachElement(
  { images, pixels, channels, groups, perGroup }: Extent,
  visit: (i: number, k: number, c: number) => void,
): void {
  for (let i = 0; i < images * pixels * channels; i++) {
    const c = i % channels;
    visit(i, Math.floor(i / (pixels * channels)) * groups + Math.floor(c / perGroup), c);
  }
}
