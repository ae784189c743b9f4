/**
 * Downloaded files in the browser's private file system (OPFS). An empty file `NAME.whole` beside a file says that all its bytes
 * are here; without it, a download goes on where it ended.
 */
import { sentenceOf } from '../sentence_of.ts';

/** The access that TypeScript's DOM types lack, because it exists in workers alone. */
interface SyncAccess {
  write(bytes: Uint8Array<ArrayBuffer>, options: { readonly at: number }): number;
  getSize(): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}
interface SyncFile {
  createSyncAccessHandle(): Promise<SyncAccess>;
}

/** The folder of all downloads. */
const ROOT = 'models';
/** Ends the name of the empty file that says that all bytes are here. */
const WHOLE = '.whole';

/** A file of the store. */
export interface StoredFile {
  /** The bytes that are here. */
  readonly file: File;
  /** Whether they are all. */
  readonly whole: boolean;
}

/** A downloaded repository. */
export interface StoredModel {
  readonly name: string;
  readonly bytes: number;
}

const isMissing = (error: unknown): boolean => error instanceof DOMException && error.name === 'NotFoundError';
/** Names of the file system hold no slash. */
const flat = (path: string): string => encodeURIComponent(path);

async function rootFolder(create: boolean): Promise<FileSystemDirectoryHandle | null> {
  try {
    const root = await navigator.storage.getDirectory();
    return await root.getDirectoryHandle(ROOT, { create });
  } catch (error) {
    if (!create && isMissing(error)) {
      return null;
    }
    throw new Error(`this browser keeps no files (${sentenceOf(error)})`);
  }
}

async function modelFolder(model: string, create: boolean): Promise<FileSystemDirectoryHandle | null> {
  const root = await rootFolder(create);
  try {
    return (await root?.getDirectoryHandle(flat(model), { create })) ?? null;
  } catch (error) {
    if (!create && isMissing(error)) {
      return null;
    }
    throw error;
  }
}

/** Returns what is here of a file; null where there is nothing. */
export async function storedFile(model: string, path: string): Promise<StoredFile | null> {
  try {
    const folder = await modelFolder(model, false);
    const handle = await folder?.getFileHandle(flat(path));
    const mark = await folder?.getFileHandle(flat(path) + WHOLE).catch(() => undefined);
    return handle ? { file: await handle.getFile(), whole: mark !== undefined } : null;
  } catch (error) {
    if (isMissing(error)) {
      return null;
    }
    throw error;
  }
}

/**
 * Appends bytes to a file, and marks it as whole at their end. Only a worker can.
 * @param start the first byte that `parts` brings; what was there behind it is cut off
 */
export async function storeBytes(
  model: string,
  path: string,
  start: number,
  parts: AsyncIterable<Uint8Array<ArrayBuffer>>,
): Promise<void> {
  const folder = await modelFolder(model, true);
  const handle = await folder?.getFileHandle(flat(path), { create: true });
  const access = await (handle as SyncFile | undefined)?.createSyncAccessHandle();
  if (!folder || !access) {
    throw new Error(`${path}: this browser keeps no files`);
  }
  try {
    access.truncate(start);
    let at = start;
    for await (const part of parts) {
      if (access.write(part, { at }) !== part.length) {
        throw new Error(`${path}: the browser has no room for more; delete another model`);
      }
      at += part.length;
    }
    access.flush();
  } finally {
    access.close();
  }
  await folder.getFileHandle(flat(path) + WHOLE, { create: true });
}

/** Returns the downloaded repositories with the bytes that they take. */
export async function storedModels(): Promise<StoredModel[]> {
  const models: StoredModel[] = [];
  const root = await rootFolder(false).catch(() => null);
  for await (const [name, handle] of root?.entries() ?? []) {
    let bytes = 0;
    for await (const [, file] of (handle as FileSystemDirectoryHandle).entries()) {
      bytes += (await (file as FileSystemFileHandle).getFile()).size;
    }
    models.push({ name: decodeURIComponent(name), bytes });
  }
  return models;
}

/** Deletes what was downloaded of a repository. */
export async function deleteStored(model: string): Promise<void> {
  const root = await rootFolder(false);
  await root?.removeEntry(flat(model), { recursive: true });
}
