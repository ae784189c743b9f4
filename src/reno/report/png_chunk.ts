/** The frame of PNG files and of their chunks (PNG specification, third edition, sections 5.2 and 5.3). */
import { crc32 } from '../../models/checkpoint/pickle/zip.ts';

export const PNG_SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** Bytes of a chunk besides its data: length, type, CRC. */
export const CHUNK_FRAME = 12;

/** Returns a chunk with its length, type and CRC. @param type four letters, such as IDAT */
export function pngChunk(type: string, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const chunk = new Uint8Array(CHUNK_FRAME + data.length);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, data.length);
  chunk.set(new TextEncoder().encode(type), 4);
  chunk.set(data, 8);
  view.setUint32(8 + data.length, crc32(chunk.subarray(4, 8 + data.length)));
  return chunk;
}
