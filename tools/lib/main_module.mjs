/** Whether a module is the one that the command line names. */
import { realpathSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/** @param url the module's `import.meta.url`, which never leads through a symbolic link; the path on the command line may */
export function isMain(url) {
  const path = process.argv[1];
  return path !== undefined && url === pathToFileURL(realpathSync(path)).href;
}
