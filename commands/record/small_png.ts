/** PNG with a filter for each row, a third smaller than without for pictures like these (PNG specification, second edition, section 9). */
import { deflateSync } from 'node:zlib';
import type { PngPicture } from '../../src/platform/node/png.ts';
import { PNG_SIGNATURE, pngChunk } from '../../src/reno/report/png_chunk.ts';
import { at } from '../../src/tensor/types.ts';

const CHANNELS = 3;

/** The predictions of the filters None, Sub, Up, Average and Paeth from the bytes to the left, above, and above left. */
const PREDICTIONS: readonly ((left: number, up: number, corner: number) => number)[] = [
  () => 0,
  (left) => left,
  (_, up) => up,
  (left, up) => (left + up) >> 1,
  (left, up, corner) => {
    const [l, u, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
    return l <= u && l <= c ? left : u <= c ? up : corner;
  },
];

export function smallPng({ width, height, data }: PngPicture): Uint8Array {
  const stride = width * CHANNELS;
  const filtered = new Uint8Array(height * (stride + 1));
  for (let y = 0; y < height; y++) {
    const rows = PREDICTIONS.map((predict) => filteredRow(data, y, stride, predict));
    const costs = rows.map((row) => row.reduce((sum, byte) => sum + Math.min(byte, 256 - byte), 0));
    const filter = costs.indexOf(Math.min(...costs));
    filtered[y * (stride + 1)] = filter;
    filtered.set(at(rows, filter), y * (stride + 1) + 1);
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, 2], 8); // 8 bits a channel, RGB
  const packed = deflateSync(filtered, { level: 9 });
  const chunks = [pngChunk('IHDR', header), pngChunk('IDAT', packed), pngChunk('IEND', new Uint8Array())];
  return Buffer.concat([PNG_SIGNATURE, ...chunks]);
}

function filteredRow(data: Uint8Array, y: number, stride: number, predict: (typeof PREDICTIONS)[number]): Uint8Array {
  const row = new Uint8Array(stride);
  const byte = (line: number, x: number): number => (line < 0 || x < 0 ? 0 : at(data, line * stride + x));
  for (let x = 0; x < stride; x++) {
    row[x] = byte(y, x) - predict(byte(y, x - CHANNELS), byte(y - 1, x), byte(y - 1, x - CHANNELS));
  }
  return row;
}
