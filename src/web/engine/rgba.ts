/** Pictures as canvases take them. */
import { at } from '../../tensor/types.ts';

/** Returns RGBA of 8 bits a channel. @param pixels [H,W,3] in [0,1] */
export function toRgba(pixels: Float32Array): Uint8ClampedArray<ArrayBuffer> {
  const rgba = new Uint8ClampedArray((pixels.length / 3) * 4).fill(255);
  for (let i = 0; i < pixels.length; i++) {
    rgba[Math.floor(i / 3) * 4 + (i % 3)] = Math.round(at(pixels, i) * 255);
  }
  return rgba;
}

/** Returns [H,W,3] in [0,1]. */
export function toFloats(rgba: Uint8ClampedArray): Float32Array<ArrayBuffer> {
  return Float32Array.from(
    { length: (rgba.length / 4) * 3 },
    (_, i) => at(rgba, Math.floor(i / 3) * 4 + (i % 3)) / 255,
  );
}
