/** Model folders behind a URL, for browsers: ranged requests, or the whole file where the server knows no ranges. */
import type { ModelFiles } from '../models/files.ts';
import type { ByteSource } from '../tensor/safetensors.ts';

export function httpFiles(base: string): ModelFiles {
  const url = (path: string): string => `${base.replace(/\/$/, '')}/${path}`;
  return {
    name: base,
    has: async (path) => (await fetch(url(path), { method: 'HEAD' })).ok,
    read: (path) => httpSource(url(path)),
    readText: async (path) => (await request(url(path))).text(),
  };
}

export async function httpSource(url: string): Promise<ByteSource> {
  // One byte tells both the size and whether ranges work; HEAD would tell neither for compressed answers.
  const probe = await request(url, { headers: { Range: 'bytes=0-0' } });
  const total = probe.status === 206 ? /\/(\d+)$/.exec(probe.headers.get('Content-Range') ?? '')?.[1] : undefined;
  if (total === undefined) {
    const whole = new Uint8Array(await probe.arrayBuffer());
    return {
      name: url,
      size: whole.length,
      read: async (offset, length) => exactly(whole.slice(offset, offset + length), length, url),
    };
  }
  await probe.arrayBuffer();
  return {
    name: url,
    size: Number(total),
    read: async (offset, length) => {
      const part = await request(url, { headers: { Range: `bytes=${offset}-${offset + length - 1}` } });
      return exactly(new Uint8Array(await part.arrayBuffer()), length, url);
    },
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
