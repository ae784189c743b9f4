/** A run as a GIF that plays for ever. */
import gifenc from 'gifenc';
import type { ImageSize } from '../../reno/report/picture.ts';
import { enlarged } from './pixels.ts';

const COLOURS = 256;

/** How a GIF plays. */
export interface GifOptions {
  /** Each pixel becomes so many pixels wide and high. */
  readonly scale: number;
  /** Milliseconds for each picture. */
  readonly delay: number;
  /** Milliseconds for the last one, and for the first. */
  readonly rest: number;
}

/** Makes the GIF, in many short tasks: the page answers meanwhile. @param pictures RGBA of 8 bits, in their order */
export async function makeGif(
  pictures: readonly Uint8ClampedArray[],
  size: ImageSize,
  { scale, delay, rest }: GifOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const gif = gifenc.GIFEncoder();
  for (const [i, picture] of pictures.entries()) {
    await new Promise((resolve) => setTimeout(resolve));
    const palette = gifenc.quantize(picture, COLOURS);
    const index = enlarged(gifenc.applyPalette(picture, palette), size, 1, scale);
    const isEnd = i === 0 || i === pictures.length - 1;
    gif.writeFrame(index, size.width * scale, size.height * scale, { palette, delay: isEnd ? rest : delay, repeat: 0 });
  }
  gif.finish();
  return gif.bytes();
}
