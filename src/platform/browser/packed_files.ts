/**
 * Model folders in a few large files beside a page: one request for many small files. A list (JSON) says where each file lies. What
 * was fetched is kept in the browser's cache, so that a second visit needs no network.
 */
import { bytesSource } from '../../models/checkpoint/byte_source.ts';
import type { ModelFiles } from '../../models/checkpoint/files.ts';
import { sentenceOf } from '../sentence_of.ts';
import { warnOnce } from '../warn_once.ts';

/** A list of packed files, as tools/lib/page.mjs writes it. */
interface PackList {
  readonly format: 1;
  readonly packs: Readonly<Record<string, { readonly file: string; readonly bytes: number }>>;
  /** Maps a path to the name of its pack, the first byte in that pack, and the number of bytes. */
  readonly files: Readonly<Record<string, readonly [string, number, number]>>;
}

/** The cache that holds packs; the service worker removes those of older builds. */
export const MODEL_CACHE = 'reno-models';

export interface PackedFiles extends ModelFiles {
  /** Forgets the bytes that are in memory; later reads take them from the cache. */
  release(): void;
}

/** Is told how many bytes of a pack have come. */
export type OnBytes = (pack: string, done: number, total: number) => void;

/**
 * Opens a packed model folder.
 * @param address of the list; the packs lie beside it
 * @throws Error, one sentence, when the list cannot be fetched
 */
export async function packedFiles(address: string, onBytes: OnBytes = () => {}): Promise<PackedFiles> {
  const list: PackList = await (await fetched(address)).json();
  const inMemory = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();
  const pack = (name: string): Promise<Uint8Array<ArrayBuffer>> => {
    const { file = '', bytes = 0 } = list.packs[name] ?? {};
    const known = inMemory.get(name);
    if (known) {
      return known;
    }
    const coming = packBytes(new URL(file, address).href, bytes, (done) => onBytes(name, done, bytes));
    inMemory.set(name, coming);
    coming.catch(() => inMemory.delete(name));
    return coming;
  };
  const read = async (path: string): Promise<Uint8Array<ArrayBuffer>> => {
    const place = list.files[path];
    if (!place) {
      throw new Error(`${path}: the page was built without this file`);
    }
    const [name, start, length] = place;
    return (await pack(name)).subarray(start, start + length);
  };
  return {
    name: 'pocket',
    warn: warnOnce,
    has: async (path) => path in list.files,
    read: async (path) => bytesSource(path, await read(path)),
    readText: async (path) => new TextDecoder().decode(await read(path)),
    release: () => inMemory.clear(),
  };
}

async function packBytes(
  address: string,
  size: number,
  onBytes: (done: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  // Pages that were fetched without TLS have no cache.
  const cache = await globalThis.caches?.open(MODEL_CACHE).catch(() => undefined);
  const kept = await cache?.match(address);
  const bytes = await received(kept ?? (await fetched(address)), address, size, onBytes);
  if (!kept) {
    // A full disk costs only the next visit's time.
    await cache?.put(address, new Response(bytes)).catch(() => {});
  }
  return bytes;
}

async function received(
  response: Response,
  address: string,
  size: number,
  onBytes: (done: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(size);
  let done = 0;
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    if (done + part.value.length > size) {
      throw new Error(`the file ${lastOf(address)} is longer than the ${size} bytes that the page's list says`);
    }
    bytes.set(part.value, done);
    done += part.value.length;
    onBytes(done);
  }
  if (done !== size) {
    throw new Error(`of the file ${lastOf(address)}, ${done} of ${size} bytes came`);
  }
  return bytes;
}

async function fetched(address: string): Promise<Response> {
  const response = await fetch(address).catch((error: unknown) => {
    const why = sentenceOf(error);
    throw new Error(`the file ${lastOf(address)} cannot be fetched (${why})`);
  });
  if (!response.ok) {
    throw new Error(`the file ${lastOf(address)} cannot be fetched (HTTP ${response.status})`);
  }
  return response;
}

const lastOf = (address: string): string => new URL(address).pathname.split('/').at(-1) ?? '';
