/** PNG with a palette of 256 colours: a third of the bytes for pictures of a page, and hardly a difference to the eye. */
import { deflateSync } from 'node:zlib';
import gifenc from 'gifenc';
import type { PngPicture } from '../../src/platform/node/png.ts';
import { PNG_SIGNATURE, pngChunk } from '../../src/reno/report/png_chunk.ts';

const COLOURS = 256;

export function palettePng({ height, width, data }: PngPicture): Uint8Array {
  const rgba = new Uint8Array(height * width * 4).fill(255);
  for (let i = 0; i < height * width; i++) {
    rgba.set(data.subarray(3 * i, 3 * i + 3), 4 * i);
  }
  const palette = gifenc.quantize(rgba, COLOURS);
  const indices = gifenc.applyPalette(rgba, palette);
  const rows = new Uint8Array(height * (width + 1)); // Each row begins with its filter: none.
  for (let y = 0; y < height; y++) {
    rows.set(indices.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, 3], 8); // 8 bits a pixel, indices of a palette
  const chunks = [
    pngChunk('IHDR', header),
    pngChunk('PLTE', Uint8Array.from(palette.flatMap((colour) => colour.slice(0, 3)))),
    pngChunk('IDAT', deflateSync(rows, { level: 9 })),
    pngChunk('IEND', new Uint8Array()),
  ];
  return Buffer.concat([PNG_SIGNATURE, ...chunks]);
}
