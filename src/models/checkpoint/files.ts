/** Model folders behind an interface, which is implemented over a file system and over HTTP. */
import type { ByteSource } from './byte_source.ts';
import { DEFAULT_BUDGET } from './read_budget.ts';

/** A model folder. Paths use `/` and are relative to the folder, such as `unet/config.json`. */
export interface ModelFiles {
  /** The folder's path or URL, for messages. */
  readonly name: string;
  /** Returns whether there is such a file. */
  has(path: string): Promise<boolean>;
  /** Opens a file, whose bytes are read as they are needed. @throws Error naming the file when it is not there or cannot be read. */
  read(path: string): Promise<ByteSource>;
  /** Returns the text of a file. @throws Error naming the file when it cannot be read, has more than 10 MB, or is not UTF-8. */
  readText(path: string): Promise<string>;
  /** Receives a sentence about a harmless difference, such as a key that is left out. Default: nobody is told. */
  readonly warn?: (sentence: string) => void;
}

/** @throws Error, the end of a sentence about the file, when a text has more bytes than are read */
export function checkTextSize(bytes: number): void {
  if (bytes > DEFAULT_BUDGET.bytes) {
    throw new Error(`it has ${bytes} bytes or more, and at most ${DEFAULT_BUDGET.bytes} of a text are read`);
  }
}

/** Returns UTF-8 as text; a byte order mark stays. @throws Error naming the file */
export function decodeText(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Error(`${name}: is not text in UTF-8; save it as UTF-8`);
  }
}

/** Returns a subfolder as a model folder of its own. */
export function subfolder(files: ModelFiles, folder: string): ModelFiles {
  const inside = (path: string): string => `${folder}/${path}`;
  return {
    name: `${files.name}/${folder}`,
    has: (path) => files.has(inside(path)),
    read: (path) => files.read(inside(path)),
    readText: (path) => files.readText(inside(path)),
    ...(files.warn ? { warn: files.warn } : {}),
  };
}

/** A folder or file of other files, placed into a model folder. */
export interface Mount {
  /** Path in the model folder, of a folder or a file. Empty: the model folder itself. */
  readonly at: string;
  readonly files: ModelFiles;
  /** Path in `files`, of a folder or a file. Empty: all of `files`. */
  readonly from: string;
}

/**
 * Returns a model folder assembled from others. The mount with the longest matching path answers alone: a file that it lacks
 * is missing, even if a shorter mount has it.
 */
export function mounted(name: string, mounts: readonly Mount[]): ModelFiles {
  const byLength = [...mounts].sort((a, b) => b.at.length - a.at.length);
  const locate = (path: string): { readonly files: ModelFiles; readonly path: string } | null => {
    const mount = byLength.find(({ at }) => at === '' || path === at || path.startsWith(`${at}/`));
    const rest = mount?.at ? path.slice(mount.at.length + 1) : path;
    return mount ? { files: mount.files, path: [mount.from, rest].filter((part) => part !== '').join('/') } : null;
  };
  const found = <T>(path: string, read: (files: ModelFiles, path: string) => Promise<T>): Promise<T> => {
    const at = locate(path);
    return at ? read(at.files, at.path) : Promise.reject(new Error(`${name}/${path}: there is no such file`));
  };
  const warn = mounts.find(({ files }) => files.warn)?.files.warn;
  return {
    name,
    ...(warn ? { warn } : {}),
    has: async (path) => {
      const at = locate(path);
      return at ? at.files.has(at.path) : false;
    },
    read: (path) => found(path, (files, inner) => files.read(inner)),
    readText: (path) => found(path, (files, inner) => files.readText(inner)),
  };
}
