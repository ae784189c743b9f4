/** Heat maps of one channel of noise: blue below zero, orange above, grey at zero. */
import { at } from '../../tensor/types.ts';

/** The places of a channel, as a grid. */
export interface Grid {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** The grid of noise [1,C,h,w]; null for other shapes. */
export function gridOf(shape: readonly number[]): Grid | null {
  const [batch, channels, height, width] = shape;
  return shape.length === 4 && batch === 1 && channels && height && width ? { channels, height, width } : null;
}

const [BELOW, ZERO, ABOVE] = [
  [37, 99, 235],
  [235, 235, 232],
  [234, 88, 12],
] as const;

/** RGBA of one channel. @param limit the value that is shown in the full colour */
export function heatMap(
  values: Float32Array,
  { height, width }: Grid,
  channel: number,
  limit: number,
): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(height * width * 4).fill(255);
  for (let i = 0; i < height * width; i++) {
    const share = Math.min(1, Math.max(-1, at(values, channel * height * width + i) / limit));
    const end = share < 0 ? BELOW : ABOVE;
    for (let c = 0; c < 3; c++) {
      pixels[4 * i + c] = at(ZERO, c) + Math.abs(share) * (at(end, c) - at(ZERO, c));
    }
  }
  return pixels;
}

/** The value's place in the noise. */
export function indexOf({ height, width }: Grid, channel: number, x: number, y: number): number {
  return (channel * height + y) * width + x;
}
