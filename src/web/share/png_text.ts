/** Text in PNG files: a chunk iTXt (PNG specification, third edition, 11.3.3.4) carries a picture's settings. */
import { crc32 } from '../../models/checkpoint/pickle/zip.ts';
import { CHUNK_FRAME, PNG_SIGNATURE, pngChunk } from '../../reno/report/png_chunk.ts';

interface Chunk {
  readonly type: string;
  readonly data: Uint8Array<ArrayBuffer>;
  /** Position of the first byte after the chunk. */
  readonly end: number;
}

const isPng = (bytes: Uint8Array): boolean => PNG_SIGNATURE.every((byte, i) => bytes[i] === byte);

/** Yields the chunks up to the first that is broken. */
function* chunks(png: Uint8Array<ArrayBuffer>): Generator<Chunk> {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  for (let start = PNG_SIGNATURE.length; start + CHUNK_FRAME <= png.length; ) {
    const length = view.getUint32(start);
    const end = start + CHUNK_FRAME + length;
    if (end > png.length || view.getUint32(end - 4) !== crc32(png.subarray(start + 4, end - 4))) {
      return;
    }
    const type = String.fromCharCode(...png.subarray(start + 4, start + 8));
    yield { type, data: png.subarray(start + 8, end - 4), end };
    start = end;
  }
}

/**
 * Returns the PNG with a text after its header.
 * @param keyword 1 to 79 characters of ASCII @throws Error when the bytes are no PNG
 */
export function withText(png: Uint8Array<ArrayBuffer>, keyword: string, text: string): Uint8Array<ArrayBuffer> {
  const header = isPng(png) ? chunks(png).next().value : undefined;
  if (header?.type !== 'IHDR') {
    throw new Error('the picture is no PNG');
  }
  // Keyword, end of keyword, not compressed, compression method, no language, no translated keyword.
  const data = new TextEncoder().encode(`${keyword}\0\0\0\0\0${text}`);
  const chunk = pngChunk('iTXt', data);
  const out = new Uint8Array(png.length + chunk.length);
  out.set(png.subarray(0, header.end));
  out.set(chunk, header.end);
  out.set(png.subarray(header.end), header.end + chunk.length);
  return out;
}

/** Returns the text of a PNG with this keyword; null where there is none, or the file is broken or no PNG. */
export function textOf(png: Uint8Array<ArrayBuffer>, keyword: string): string | null {
  const start = new TextEncoder().encode(`${keyword}\0\0\0\0\0`);
  for (const { type, data } of isPng(png) ? chunks(png) : []) {
    if (type === 'iTXt' && start.every((byte, i) => data[i] === byte)) {
      return new TextDecoder().decode(data.subarray(start.length));
    }
  }
  return null;
}
