/** Pictures between the engine ([H,W,3] in [0,1]) and PNG files. */
import { encode } from 'fast-png';

export interface Picture {
  readonly height: number;
  readonly width: number;
  /** RGB, row by row. */
  readonly data: Uint8Array;
}

/** Rounds to 8 bits as diffusers' numpy_to_pil does. */
export function toPicture(pixels: Float32Array, height: number, width: number): Picture {
  return { height, width, data: Uint8Array.from(pixels, (v) => Math.round(Math.min(1, Math.max(0, v)) * 255)) };
}

export function encodePng({ width, height, data }: Picture): Uint8Array {
  return encode({ width, height, data, channels: 3, depth: 8 });
}
