/** Pictures between the engine ([H,W,3] in [0,1]) and PNG files. */
import { readFile, writeFile } from 'node:fs/promises';
import { decode, encode } from 'fast-png';
import type { Picture } from '../../reno/report/picture.ts';
import { at } from '../../tensor/types.ts';

/** A picture of 8 bits a channel, as it is stored. */
export interface PngPicture {
  readonly height: number;
  readonly width: number;
  /** RGB, row by row. */
  readonly data: Uint8Array;
}

/** Rounds to 8 bits as diffusers' numpy_to_pil does. */
export function toPicture(pixels: Float32Array, height: number, width: number): PngPicture {
  return { height, width, data: Uint8Array.from(pixels, (v) => Math.round(Math.min(1, Math.max(0, v)) * 255)) };
}

export function encodePng({ width, height, data }: PngPicture): Uint8Array {
  return encode({ width, height, data, channels: 3, depth: 8 });
}

/** A picture that `encodePng` wrote. @throws Error when it is not 8-bit RGB */
export function decodePng(bytes: Uint8Array): PngPicture {
  const { width, height, data, channels, depth } = decode(bytes);
  if (channels !== 3 || depth !== 8) {
    throw new Error(`a PNG of 8-bit RGB is needed, not ${channels} channels of ${depth} bits`);
  }
  return { width, height, data: Uint8Array.from(data) };
}

/** Writes a picture as a PNG of 8 bits a channel. */
export async function writePng(path: string | URL, { pixels, height, width }: Picture): Promise<void> {
  await writeFile(path, encodePng(toPicture(pixels, height, width)));
}

/**
 * Reads a PNG. Grey becomes three equal channels, and transparency is dropped.
 * @throws Error when the file is not there, or has a palette or fewer than 8 bits a channel
 */
export async function readPng(path: string | URL): Promise<Picture> {
  const { width, height, data, channels, depth, palette } = decode(await readFile(path));
  if (palette || depth < 8) {
    throw new Error(
      `${path}: a PNG of 8 or 16 bits a channel is needed, not ${palette ? 'a palette' : `${depth} bits`}`,
    );
  }
  const colours = channels >= 3;
  const pixels = Float32Array.from({ length: height * width * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3) * channels;
    return at(data, colours ? pixel + (i % 3) : pixel) / (2 ** depth - 1);
  });
  return { height, width, pixels };
}
