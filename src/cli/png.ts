/** Pictures between the engine ([H,W,3] in [0,1]) and PNG files. */
import { decode, encode } from 'fast-png';

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

/** A picture that `encodePng` wrote. @throws Error when it is not 8-bit RGB */
export function decodePng(bytes: Uint8Array): Picture {
  const { width, height, data, channels, depth } = decode(bytes);
  if (channels !== 3 || depth !== 8) {
    throw new Error(`a PNG of 8-bit RGB is needed, not ${channels} channels of ${depth} bits`);
  }
  return { width, height, data: Uint8Array.from(data) };
}
