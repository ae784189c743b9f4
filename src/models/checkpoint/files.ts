/** A model folder as the engine sees it; the faces implement it over a file system or HTTP. */
import type { ByteSource } from './byte_source.ts';

/** Paths use `/` and are relative to the model folder, such as `unet/config.json`. */
export interface ModelFiles {
  /** For messages: the folder's path or URL. */
  readonly name: string;
  has(path: string): Promise<boolean>;
  /** @throws Error naming the file when it is not there or cannot be read. */
  read(path: string): Promise<ByteSource>;
  /** A UTF-8 text file. @throws Error naming the file when it is not there or cannot be read. */
  readText(path: string): Promise<string>;
}

/** The same files seen from a subfolder. */
export function subfolder(files: ModelFiles, folder: string): ModelFiles {
  const inside = (path: string): string => `${folder}/${path}`;
  return {
    name: `${files.name}/${folder}`,
    has: (path) => files.has(inside(path)),
    read: (path) => files.read(inside(path)),
    readText: (path) => files.readText(inside(path)),
  };
}

export interface Mount {
  /** Path of a folder or a file in the model folder; empty: the model folder itself. */
  readonly at: string;
  readonly files: ModelFiles;
  /** What stands there: a folder or a file of `files`; empty for all of it. */
  readonly from: string;
}

/**
 * A model folder put together from others. Of several mounts the one with the longest path answers, alone: what it does
 * not have is not there, whatever lies under it.
 */
export function mounted(name: string, mounts: readonly Mount[]): ModelFiles {
  const byLength = [...mounts].sort((a, b) => b.at.length - a.at.length);
  const place = (path: string): { readonly files: ModelFiles; readonly path: string } | null => {
    const mount = byLength.find(({ at }) => at === '' || path === at || path.startsWith(`${at}/`));
    const rest = mount?.at ? path.slice(mount.at.length + 1) : path;
    return mount ? { files: mount.files, path: [mount.from, rest].filter((part) => part !== '').join('/') } : null;
  };
  const found = <T>(path: string, read: (files: ModelFiles, path: string) => Promise<T>): Promise<T> => {
    const at = place(path);
    return at ? read(at.files, at.path) : Promise.reject(new Error(`${name}/${path}: there is no such file`));
  };
  return {
    name,
    has: async (path) => {
      const at = place(path);
      return at ? at.files.has(at.path) : false;
    },
    read: (path) => found(path, (files, inner) => files.read(inner)),
    readText: (path) => found(path, (files, inner) => files.readText(inner)),
  };
}
