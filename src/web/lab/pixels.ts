/** Arithmetic on pictures of RGBA with 8 bits a channel. */
import type { ImageSize } from '../../reno/report/picture.ts';
import { at } from '../../tensor/types.ts';

/** Repeats each pixel `scale` × `scale` times. @param channels bytes for each pixel */
export function enlarged(
  pixels: Uint8Array,
  { height, width }: ImageSize,
  channels: number,
  scale: number,
): Uint8Array<ArrayBuffer> {
  const large = new Uint8Array(pixels.length * scale * scale);
  const stride = width * scale * channels;
  for (let y = 0; y < height * scale; y++) {
    for (let x = 0; x < width * scale; x++) {
      const from = (Math.floor(y / scale) * width + Math.floor(x / scale)) * channels;
      large.set(pixels.subarray(from, from + channels), y * stride + x * channels);
    }
  }
  return large;
}

/** The first picture left of a vertical cut, the second right of it. @param share from 0 (only the second) to 1 (only the first) */
export function beside(
  first: Uint8ClampedArray,
  second: Uint8ClampedArray,
  { width }: ImageSize,
  share: number,
): Uint8ClampedArray<ArrayBuffer> {
  const cut = Math.round(width * share);
  return second.map((value, i) => (Math.floor(i / 4) % width < cut ? at(first, i) : value));
}

/** How far the second picture is from the first: grey where they are equal, lighter or darker by twice the difference elsewhere. */
export function difference(first: Uint8ClampedArray, second: Uint8ClampedArray): Uint8ClampedArray<ArrayBuffer> {
  return second.map((value, i) => (i % 4 === 3 ? 255 : 128 + 2 * (value - at(first, i))));
}

/** The mean distance of two pictures, from 0 to 1. */
export function meanDifference(first: Uint8ClampedArray, second: Uint8ClampedArray): number {
  let sum = 0;
  for (let i = 0; i < first.length; i++) {
    sum += i % 4 === 3 ? 0 : Math.abs(at(first, i) - at(second, i));
  }
  return sum / (255 * 0.75 * first.length);
}
