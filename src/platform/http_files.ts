/** Model folders behind a URL, for browsers: small files in one request, ranges of large ones, or whatever the server can. */

import type { ByteSource } from '../models/checkpoint/byte_source.ts';
import { checkTextSize, decodeText, type ModelFiles } from '../models/checkpoint/files.ts';
import { warnOnce } from './warn_once.ts';

/** Hundreds of requests for small tensors take longer than the bytes. */
const WHOLE_BYTES = 64 * 2 ** 20;

/** @param wholeBytes up to how many bytes a file is fetched whole */
export function httpFiles(base: string, wholeBytes = WHOLE_BYTES): ModelFiles {
  const url = (path: string): string => `${base.replace(/\/$/, '')}/${path}`;
  return {
    name: base,
    warn: warnOnce,
    has: async (path) => (await fetch(url(path), { method: 'HEAD' })).ok,
    read: (path) => httpSource(url(path), wholeBytes),
    readText: async (path) => readText(await request(url(path)), url(path)),
  };
}

/** Reads piece by piece: a server may send more than it said, or never stop. */
async function readText(response: Response, url: string): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  const reader = response.body?.getReader();
  try {
    checkTextSize(Number(response.headers.get('Content-Length') ?? 0));
    while (reader) {
      const { done, value } = await reader.read();
      if (done) {
        break;
      }
      pieces.push(value);
      bytes += value.length;
      checkTextSize(bytes);
    }
  } catch (error) {
    await reader?.cancel().catch(() => {});
    throw new Error(`${url}: cannot be fetched (${error instanceof Error ? error.message : error})`);
  }
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return decodeText(url, all);
}

async function httpSource(url: string, wholeBytes = WHOLE_BYTES): Promise<ByteSource> {
  // One byte tells both the size and whether ranges work; HEAD would tell neither for compressed answers.
  const probe = await request(url, { headers: { Range: 'bytes=0-0' } });
  const total = probe.status === 206 ? /\/(\d+)$/.exec(probe.headers.get('Content-Range') ?? '')?.[1] : undefined;
  const bytes = await probe.arrayBuffer();
  if (total === undefined) {
    return wholeFile(url, bytes);
  }
  const size = Number(total);
  if (size <= wholeBytes) {
    return wholeFile(url, await (await request(url)).arrayBuffer());
  }
  return {
    name: url,
    size,
    read: async (offset, length) => {
      const part = await request(url, { headers: { Range: `bytes=${offset}-${offset + length - 1}` } });
      return exactly(new Uint8Array(await part.arrayBuffer()), length, url);
    },
  };
}

function wholeFile(url: string, bytes: ArrayBuffer): ByteSource {
  const whole = new Uint8Array(bytes);
  return {
    name: url,
    size: whole.length,
    read: async (offset, length) => exactly(whole.slice(offset, offset + length), length, url),
  };
}

async function request(url: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (error) {
    throw new Error(`${url}: cannot be fetched (${error instanceof Error ? error.message : error})`);
  }
  if (!response.ok) {
    throw new Error(`${url}: cannot be fetched (HTTP ${response.status})`);
  }
  return response;
}

function exactly(bytes: Uint8Array<ArrayBuffer>, length: number, url: string): Uint8Array<ArrayBuffer> {
  if (bytes.length !== length) {
    throw new Error(`${url}: the server sent ${bytes.length} bytes where ${length} were asked for; try again`);
  }
  return bytes;
}
