/** A run's output folder: it is checked before the work starts, and it never holds half a file. */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { createFile, nodeFileSystem } from '../run_store/file_system.ts';
import { randomName } from '../run_store/names.ts';
import { reasonOf, systemCode } from '../usage_error.ts';

export class OutFolder {
  readonly path: string;
  /** Folders that this run made, outermost first; `discardIfEmpty` removes them. */
  readonly #made: string[] = [];

  /** Makes the folder if needed and tries to write. @throws Error, one sentence, when that cannot be done. */
  constructor(path: string) {
    this.path = resolve(path);
    try {
      // One by one: Node's recursive mkdir never returns in a file system that takes no folders, such as /proc.
      for (const folder of missingFolders(this.path)) {
        if (makeFolder(folder)) {
          this.#made.push(folder);
        }
      }
      if (!statSync(this.path).isDirectory()) {
        throw Object.assign(new Error(), { code: 'EEXIST' });
      }
      accessSync(this.path, constants.W_OK | constants.X_OK);
      const probe = this.#temporary();
      createFile(nodeFileSystem, probe, Buffer.alloc(0));
      rmSync(probe);
    } catch (error) {
      this.discardIfEmpty();
      throw new Error(`cannot write to the folder ${path}: ${reason(error)}; give another one with --out`);
    }
  }

  /** Writes under a temporary name, then renames: a reader sees the whole file or none, and it is on the disk. */
  write(name: string, content: Uint8Array | string): string {
    const path = join(this.path, name);
    const temporary = this.#temporary();
    try {
      mkdirSync(dirname(path), { recursive: true });
      createFile(nodeFileSystem, temporary, typeof content === 'string' ? Buffer.from(content) : content);
      renameSync(temporary, path);
      nodeFileSystem.syncFolder(dirname(path));
    } catch (error) {
      rmSync(temporary, { force: true });
      throw new Error(`cannot write ${path}: ${reason(error)}`);
    }
    return path;
  }

  /** Removes a file of an earlier run, if there is one. */
  remove(name: string): void {
    rmSync(join(this.path, name), { force: true });
  }

  /** After a failure: removes the folders this run made, unless something is in them. */
  discardIfEmpty(): void {
    for (const folder of this.#made.toReversed()) {
      if (existsSync(folder) && readdirSync(folder).length === 0) {
        rmdirSync(folder);
      }
    }
  }

  /** A short name, since the file's own may have all the bytes that a file system takes. */
  #temporary(): string {
    return join(this.path, `.${randomName()}.tmp`);
  }
}

/** ENOENT here: the parent, such as /proc, takes no folder. */
function reason(error: unknown): string {
  return systemCode(error) === 'ENOENT' ? 'no folder can be made there' : reasonOf(error);
}

/** Makes a folder. @returns false when another process has made it in the meantime */
function makeFolder(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST' && statSync(path).isDirectory()) {
      return false;
    }
    throw error;
  }
}

function missingFolders(path: string): string[] {
  const missing: string[] = [];
  for (let folder = path; !existsSync(folder) && dirname(folder) !== folder; folder = dirname(folder)) {
    missing.unshift(folder);
  }
  return missing;
}
