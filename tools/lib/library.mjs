/** The library as JavaScript: dist/lib. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { bin, exec, root } from './exec.mjs';
import { stop } from './say.mjs';

/**
 * Writes TypeScript's own output, not a bundle: bundlers drop the modules that a program does not use, a stack names the
 * file and function that the repository has, and each module has its types beside it. Comments stay and only types go, so
 * the modules can be read as they are and need no source maps.
 */
export async function buildLibrary() {
  rmSync(join(root, 'dist/lib'), { recursive: true, force: true });
  const { code, output } = await exec(bin('tsc'), ['-p', 'tsconfig.build.json']);
  if (code !== 0) {
    stop(`The library does not compile:\n${output.trim()}`);
  }
}
