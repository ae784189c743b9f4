/**
 * Repositories of Hugging Face, read from a browser. A plan reads the headers of weight files by ranges; `download` then brings the files
 * that the plan has read into the browser's private file system, and goes on with a download that was broken off.
 */
import { type ByteSource, bytesSource } from '../../models/checkpoint/byte_source.ts';
import type { ModelFiles } from '../../models/checkpoint/files.ts';
import { sentenceOf } from '../sentence_of.ts';
import { warnOnce } from '../warn_once.ts';
import { storeBytes, storedFile } from './file_store.ts';
import { blobSource } from './folder_files.ts';

/** Files up to this size are fetched whole when they are first read. */
const SMALL = 2 ** 20;

/** A file that a run needs. */
export interface NeededFile {
  readonly path: string;
  readonly bytes: number;
  /** Bytes that are here. */
  readonly here: number;
}

/** Is told how many bytes of a file are here. */
export type OnFile = (file: NeededFile) => void;

/** A repository of the hub. */
export class HubFiles implements ModelFiles {
  readonly name: string;
  readonly warn = warnOnce;
  readonly #base: string;
  #listing: Promise<ReadonlyMap<string, number>> | null = null;
  /** Weight files that were read, and so are needed. */
  readonly #opened = new Set<string>();

  /**
   * @param repo such as `stabilityai/sd-turbo` @param hub the hub's address
   * @throws Error, one sentence, where the name is none of a repository
   */
  constructor(repo: string, hub = 'https://huggingface.co') {
    if (!/^[\w.-]+\/[\w.-]+$/.test(repo)) {
      throw new Error(`"${repo}" is no repository of Hugging Face: write owner/name, such as stabilityai/sd-turbo`);
    }
    this.name = repo;
    this.#base = hub.replace(/\/$/, '');
  }

  async has(path: string): Promise<boolean> {
    return (await this.#sizes()).has(path);
  }

  async readText(path: string): Promise<string> {
    const source = await this.read(path);
    return new TextDecoder().decode(await source.read(0, source.size));
  }

  async read(path: string): Promise<ByteSource> {
    const size = (await this.#sizes()).get(path);
    if (size === undefined) {
      throw new Error(`${this.name}/${path}: the repository has no such file`);
    }
    const stored = await storedFile(this.name, path).catch(() => null);
    if (size > SMALL) {
      this.#opened.add(path);
    }
    if (stored?.whole && stored.file.size === size) {
      return blobSource(`${this.name}/${path}`, stored.file);
    }
    if (size > SMALL) {
      return this.#ranges(path, size);
    }
    const bytes = new Uint8Array(await (await this.#request(path)).arrayBuffer());
    // A browser that keeps no files fetches it again next time.
    await storeBytes(this.name, path, 0, once(bytes)).catch(() => {});
    return bytesSource(`${this.name}/${path}`, bytes);
  }

  /** Returns the weight files that were read until now. */
  async needed(): Promise<NeededFile[]> {
    const sizes = await this.#sizes();
    return Promise.all(
      [...this.#opened].map(async (path) => {
        const stored = await storedFile(this.name, path).catch(() => null);
        return { path, bytes: sizes.get(path) ?? 0, here: stored?.file.size ?? 0 };
      }),
    );
  }

  /**
   * Brings every needed file here, one after another. @param signal ends it; what has come stays
   * @throws Error, one sentence with the file, where one does not come; the next call goes on from there
   */
  async download(onFile: OnFile, signal?: AbortSignal): Promise<void> {
    for (const file of await this.needed()) {
      const stored = await storedFile(this.name, file.path);
      onFile(file);
      if (!stored?.whole || stored.file.size !== file.bytes) {
        await this.#fetchInto(file, onFile, signal);
      }
    }
  }

  async #fetchInto({ path, bytes, here }: NeededFile, onFile: OnFile, signal?: AbortSignal): Promise<void> {
    let start = here < bytes ? here : 0;
    const response = await this.#request(path, {
      ...(signal ? { signal } : {}),
      ...(start > 0 ? { headers: { Range: `bytes=${start}-` } } : {}),
    });
    if (response.status !== 206) {
      start = 0; // The server sends it from its beginning.
    }
    let at = start;
    const name = `${this.name}/${path}`;
    async function* parts(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
      const reader = response.body?.getReader();
      for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
        at += part.value.length;
        yield part.value;
        onFile({ path, bytes, here: at });
      }
      if (at !== bytes) {
        throw new Error(`${name}: ${at} of ${bytes} bytes came; try again, and the download goes on from there`);
      }
    }
    await storeBytes(this.name, path, start, parts());
  }

  #ranges(path: string, size: number): ByteSource {
    return {
      name: `${this.name}/${path}`,
      size,
      read: async (offset, length) => {
        const response = await this.#request(path, { headers: { Range: `bytes=${offset}-${offset + length - 1}` } });
        const bytes = new Uint8Array(await response.arrayBuffer());
        if (bytes.length !== length) {
          throw new Error(`${this.name}/${path}: the hub sent ${bytes.length} bytes where ${length} were asked for`);
        }
        return bytes;
      },
    };
  }

  #sizes(): Promise<ReadonlyMap<string, number>> {
    this.#listing ??= this.#list();
    this.#listing.catch(() => {
      this.#listing = null;
    });
    return this.#listing;
  }

  async #list(): Promise<ReadonlyMap<string, number>> {
    const response = await this.#fetch(`${this.#base}/api/models/${this.name}/tree/main?recursive=true`, {});
    const entries: unknown = await response.json();
    const files = (Array.isArray(entries) ? entries : []).filter(
      (entry): entry is { readonly path: string; readonly size: number } =>
        entry?.type === 'file' && typeof entry.path === 'string' && typeof entry.size === 'number',
    );
    return new Map(files.map(({ path, size }) => [path, size]));
  }

  #request(path: string, init: RequestInit = {}): Promise<Response> {
    return this.#fetch(`${this.#base}/${this.name}/resolve/main/${path}`, init);
  }

  async #fetch(address: string, init: RequestInit): Promise<Response> {
    const response = await fetch(address, init).catch((error: unknown) => {
      throw new Error(`${this.name}: Hugging Face cannot be reached (${sentenceOf(error)})`);
    });
    if (response.status === 401 || response.status === 403) {
      throw new Error(
        `${this.name}: Hugging Face gives it only to accounts that accepted its terms, or there is no such repository; download it there, and choose its folder here`,
      );
    }
    if (!response.ok) {
      throw new Error(`${this.name}: Hugging Face answered HTTP ${response.status} for ${new URL(address).pathname}`);
    }
    return response;
  }
}

async function* once(bytes: Uint8Array<ArrayBuffer>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  yield bytes;
}
