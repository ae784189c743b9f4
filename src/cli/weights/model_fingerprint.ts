/** A fingerprint of the files that a run reads, by which another model is told from the same one. */
import { createHash } from 'node:crypto';
import type { ModelFiles } from '../../models/checkpoint/files.ts';

/** Files up to this size are hashed whole. */
const WHOLE = 64 * 2 ** 20;
/** In a larger file, this many pieces are hashed, at even distances from the first byte to the last. */
const PIECES = 64;
const PIECE = 64 * 2 ** 10;

/** Model files that remember which of them were read. */
export function recorded(files: ModelFiles): { readonly files: ModelFiles; readonly paths: ReadonlySet<string> } {
  const paths = new Set<string>();
  const noted = <T>(path: string, read: Promise<T>): Promise<T> => {
    paths.add(path);
    return read;
  };
  return {
    paths,
    files: {
      name: files.name,
      has: (path) => files.has(path),
      read: (path) => noted(path, files.read(path)),
      readText: (path) => noted(path, files.readText(path)),
    },
  };
}

/**
 * SHA-256 over names, sizes and bytes: all bytes of files up to 64 MiB, and 64 pieces of 64 KiB of each larger one, so that
 * 10 GB of weights take milliseconds.
 */
export async function fingerprint(files: ModelFiles, paths: Iterable<string>): Promise<string> {
  const hash = createHash('sha256');
  for (const path of [...new Set(paths)].sort()) {
    const source = await files.read(path);
    const { size } = source;
    hash.update(`${path}\0${size}\0`);
    const starts =
      size <= WHOLE ? [0] : Array.from({ length: PIECES }, (_, i) => Math.floor(((size - PIECE) / (PIECES - 1)) * i));
    for (const start of starts) {
      hash.update(await source.read(start, size <= WHOLE ? size : PIECE));
    }
  }
  return hash.digest('hex');
}
