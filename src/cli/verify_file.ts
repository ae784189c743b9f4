/** Checks whether a file is complete: its size, its header, and the hash under which the Hugging Face cache keeps it. */
import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { openPickle } from '../models/checkpoint/pickle/open_pickle.ts';
import { openSafetensors } from '../models/checkpoint/safetensors/open_safetensors.ts';
import { fileSource } from '../platform/node/node_files.ts';
import { blobHash } from './hub_cache.ts';
import { sentenceOf } from './usage_error.ts';

export interface Verdict {
  readonly ok: boolean;
  /** The fault, or the list of checks. */
  readonly says: string;
}

/** Checks one file. @param bytes the published size, if there is one */
export async function verifyFile(path: string, bytes: number | null): Promise<Verdict> {
  const { size } = statSync(path);
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
  const expected = blobHash(path);
  if (expected) {
    if ((await hashOf(path, size, expected.algorithm)) !== expected.hex) {
      return {
        ok: false,
        says: 'does not have the hash under which the cache keeps it; remove its blob and download it again',
      };
    }
    checked.push(expected.algorithm === 'sha256' ? 'SHA-256' : "Git's SHA-1");
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
