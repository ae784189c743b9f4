/** A model folder as the engine sees it; the faces implement it over a file system or HTTP. */
import type { ByteSource } from '../tensor/safetensors.ts';

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
