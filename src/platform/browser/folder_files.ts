/** Model folders that somebody has chosen or dropped: files of the browser, which are read in pieces and never copied. */
import type { ByteSource } from '../../models/checkpoint/byte_source.ts';
import type { ModelFiles } from '../../models/checkpoint/files.ts';
import { sentenceOf } from '../sentence_of.ts';
import { warnOnce } from '../warn_once.ts';

/** Files by their paths in the folder. */
export type FolderEntries = ReadonlyMap<string, Blob>;

/** @param name the folder's, for messages */
export function folderFiles(name: string, entries: FolderEntries): ModelFiles {
  const find = (path: string): Blob => {
    const file = entries.get(path);
    if (!file) {
      throw new Error(`${name}/${path}: there is no such file in the folder that was chosen`);
    }
    return file;
  };
  return {
    name,
    warn: warnOnce,
    has: async (path) => entries.has(path),
    read: async (path) => blobSource(`${name}/${path}`, find(path)),
    readText: (path) => Promise.resolve(find(path)).then((file) => file.text()),
  };
}

/** Reads ranges of a file. @throws Error, one sentence, where the file was changed or taken away after it was chosen */
export function blobSource(name: string, file: Blob): ByteSource {
  return {
    name,
    size: file.size,
    read: async (offset, length) => {
      const bytes = await file
        .slice(offset, offset + length)
        .arrayBuffer()
        .catch((error: unknown) => {
          throw new Error(`${name}: cannot be read (${sentenceOf(error)})`);
        });
      if (bytes.byteLength !== length) {
        throw new Error(`${name}: ends at byte ${offset + bytes.byteLength} where ${offset + length} were expected`);
      }
      return new Uint8Array(bytes);
    },
  };
}
