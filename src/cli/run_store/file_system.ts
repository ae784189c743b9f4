/** The calls to the file system that the run store makes, one by one: tests let each of them fail, or be the last. */
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { systemCode } from '../../platform/node/errors.ts';

/** File system calls. Each throws a Node system error (or one of its kind, with a `code`) when it fails. */
export interface FileSystem {
  /** Opens a file that must not exist yet (O_EXCL), to write. */
  create(path: string): number;
  write(file: number, bytes: Uint8Array): void;
  /** Returns when the file's bytes are on the disk. */
  sync(file: number): void;
  close(file: number): void;
  /** Returns when the names in the folder are on the disk. */
  syncFolder(path: string): void;
  rename(from: string, to: string): void;
  /** Gives a file a second name, which must not exist yet. */
  link(from: string, to: string): void;
  unlink(path: string): void;
  makeFolder(path: string): void;
  removeFolder(path: string): void;
  /** Returns the bytes of a file, null where there is none. */
  read(path: string): Uint8Array | null;
  /** Returns the names in a folder, none where there is no folder. */
  list(path: string): string[];
}

export const nodeFileSystem: FileSystem = {
  create: (path) => openSync(path, 'wx', 0o644),
  write: (file, bytes) => {
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(file, bytes, done);
    }
  },
  sync: fsyncSync,
  close: closeSync,
  syncFolder: (path) => {
    if (process.platform === 'win32') {
      return; // Windows opens no folder; NTFS writes names in order.
    }
    const folder = openSync(path, 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  },
  rename: renameSync,
  link: linkSync,
  unlink: unlinkSync,
  makeFolder: (path) => mkdirSync(path),
  removeFolder: rmdirSync,
  read: (path) => orNone(() => readFileSync(path), null),
  list: (path) => orNone(() => readdirSync(path), []),
};

/** Returns `otherwise` where a file or folder is not there. */
export function orNone<T>(work: () => T, otherwise: T): T {
  try {
    return work();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      return otherwise;
    }
    throw error;
  }
}

/** Writes a new file; when this returns, its bytes are on the disk. A file that could not be written whole is removed. */
export function createFile(fs: FileSystem, path: string, bytes: Uint8Array): void {
  const file = fs.create(path);
  try {
    try {
      fs.write(file, bytes);
      fs.sync(file);
    } finally {
      fs.close(file);
    }
  } catch (error) {
    removeFile(fs, path);
    throw error;
  }
}

/** Removes a file; one that is not there, or cannot be removed now, is no error: the next run cleans up. */
export function removeFile(fs: FileSystem, path: string): void {
  try {
    fs.unlink(path);
  } catch {
    // See above.
  }
}

/** Makes a folder unless it is there. */
export function ensureFolder(fs: FileSystem, path: string): void {
  try {
    fs.makeFolder(path);
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') {
      throw error;
    }
  }
}
