/** Checks whether a file is complete: its size, its header, and the hash under which the Hugging Face cache keeps it. */
import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { openPickle } from '../../models/checkpoint/pickle/open_pickle.ts';
import { openSafetensors } from '../../models/checkpoint/safetensors/open_safetensors.ts';
import { fileSource } from '../../platform/node/node_files.ts';
import { sentenceOf } from '../usage_error.ts';
import { blobHash } from './hub_cache.ts';
import type { ManifestFile } from './manifest.ts';

export interface Verdict {
  readonly ok: boolean;
  /** The fault, or the list of checks. */
  readonly says: string;
}

/** The size and the SHA-256 that a file must have, where they are published. */
export type Published = Pick<ManifestFile, 'bytes' | 'sha256'>;

/** Checks a file's size and header, which takes little time. @param published null: nothing is known about it */
export async function verifySize(path: string, published: Published | null): Promise<Verdict> {
  const { size } = statSync(path);
  const bytes = published?.bytes ?? null;
  if (bytes !== null && size !== bytes) {
    return { ok: false, says: `has ${size} bytes where ${bytes} are published; download it again` };
  }
  const checked = bytes === null ? [] : ['size'];
  try {
    const header = await tensorsIn(path);
    checked.push(...(header === null ? [] : [`header of ${header} tensors`]));
  } catch (error) {
    return { ok: false, says: sentenceOf(error) };
  }
  return { ok: true, says: checked.join(', ') };
}

/** Checks a file's size, header and hash: that of its name in the cache, and the published one. */
export async function verifyFile(path: string, published: Published | null): Promise<Verdict> {
  const quick = await verifySize(path, published);
  if (!quick.ok) {
    return quick;
  }
  const { size } = statSync(path);
  const checked = quick.says === '' ? [] : [quick.says];
  const named = blobHash(path);
  const found = named && (await hashOf(path, size, named.algorithm));
  if (named && found !== named.hex) {
    return {
      ok: false,
      says: 'does not have the hash under which the cache keeps it; remove its blob and download it again',
    };
  }
  if (published?.sha256) {
    const sha256 = named?.algorithm === 'sha256' ? found : await hashOf(path, size, 'sha256');
    if (sha256 !== published.sha256) {
      return {
        ok: false,
        says: 'is not the file that was published (another SHA-256); remove it and download it again',
      };
    }
    checked.push('published SHA-256');
  } else if (named) {
    checked.push(named.algorithm === 'sha256' ? 'SHA-256' : "Git's SHA-1");
  }
  return { ok: true, says: checked.join(', ') || 'is there; nothing is known to check it by' };
}

async function tensorsIn(path: string): Promise<number | null> {
  if (path.endsWith('.safetensors')) {
    return (await openSafetensors(await fileSource(path))).entries.size;
  }
  return /\.(bin|pt|pth)$/.test(path) ? (await openPickle(await fileSource(path))).entries.size : null;
}

/** SHA-256, or Git's SHA-1 of a file of `size` bytes, in hex. @throws the signal's reason */
export async function hashOf(
  path: string,
  size: number,
  algorithm: 'sha256' | 'git',
  signal?: AbortSignal,
): Promise<string> {
  const hash = createHash(algorithm === 'git' ? 'sha1' : 'sha256');
  if (algorithm === 'git') {
    hash.update(`blob ${size}\0`);
  }
  for await (const chunk of createReadStream(path)) {
    signal?.throwIfAborted();
    hash.update(chunk as Buffer);
  }
  return hash.digest('hex');
}
