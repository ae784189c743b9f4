import { statSync } from 'node:fs';

/** Returns whether there is a folder at the path. A path that the system refuses, such as one that is too long, has none. */
export function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
