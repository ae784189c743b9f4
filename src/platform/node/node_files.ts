/** Model folders on a disk, for Node. */
import { constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ByteSource } from '../../models/checkpoint/byte_source.ts';
import { checkTextSize, decodeText, type ModelFiles } from '../../models/checkpoint/files.ts';
import { warnOnce } from '../warn_once.ts';

export function nodeFiles(folder: string): ModelFiles {
  return {
    name: folder,
    warn: warnOnce,
    has: async (path) => (await sizeOrNull(join(folder, path))) !== null,
    read: (path) => fileSource(join(folder, path)),
    readText: (path) => readText(join(folder, path)),
  };
}

async function readText(path: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    // Without O_NONBLOCK, opening a FIFO waits for its writer.
    await using handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const found = await handle.stat();
    if (!found.isFile()) {
      throw new Error(found.isDirectory() ? 'it is a folder' : 'it is a pipe or a device');
    }
    checkTextSize(found.size);
    bytes = await handle.readFile();
  } catch (error) {
    throw unreadable(path, error);
  }
  return decodeText(path, bytes);
}

/** One file, opened anew for each range, so that no handle outlives its use. */
export async function fileSource(path: string): Promise<ByteSource> {
  const size = await sizeOrNull(path);
  if (size === null) {
    throw new Error(`${path}: there is no such file; check the model folder`);
  }
  return {
    name: path,
    size,
    read: async (offset, length) => {
      const bytes = new Uint8Array(length);
      try {
        await using handle = await open(path, 'r');
        let done = 0;
        while (done < length) {
          const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
          if (bytesRead === 0) {
            throw new Error('the file ends too early');
          }
          done += bytesRead;
        }
      } catch (error) {
        throw unreadable(path, error);
      }
      return bytes;
    },
  };
}

async function sizeOrNull(path: string): Promise<number | null> {
  try {
    const found = await stat(path);
    return found.isFile() ? found.size : null;
  } catch {
    return null;
  }
}

function unreadable(path: string, error: unknown): Error {
  return new Error(`${path}: cannot be read (${error instanceof Error ? error.message : error})`);
}
