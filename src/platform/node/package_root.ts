/** Where the package lies. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's own folder: weights and prompt lists are found from here, wherever the program is run. */
export const PACKAGE_ROOT = packageRoot(dirname(fileURLToPath(import.meta.url)));

/** The nearest folder above `folder` whose package.json is this package's: sources and builds lie at different depths. */
function packageRoot(folder: string): string {
  const file = join(folder, 'package.json');
  if (existsSync(file) && /"name":\s*"reno-webgpu"/.test(readFileSync(file, 'utf8'))) {
    return folder;
  }
  const above = dirname(folder);
  if (above === folder) {
    throw new Error('the package reno-webgpu is not complete: no folder above its code holds its package.json');
  }
  return packageRoot(above);
}
