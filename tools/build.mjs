/**
 * Makes what runs without TypeScript:   node tools/build.mjs [--package]
 *   dist/lib            the library: a JavaScript module and its types for each source file
 *   dist/cli/main.js    the command `reno`, in one file
 *   dist/web            the page, for any static file server; not with --package, because the npm package does not hold it
 */
import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bin, exec, root } from './lib/exec.mjs';
import { ensurePackages } from './lib/packages.mjs';
import { say, stop } from './lib/say.mjs';

/**
 * TypeScript's own output, not a bundle: bundlers drop the modules that a program does not use, a stack names the file and
 * function that the repository has, and the types match the code file by file. Comments stay and only types go, so the
 * modules can be read as they are and need no source maps.
 */
async function buildLibrary() {
  rmSync(join(root, 'dist/lib'), { recursive: true, force: true });
  const { code, output } = await exec(bin('tsc'), ['-p', 'tsconfig.build.json']);
  if (code !== 0) {
    stop(`The library does not compile:\n${output.trim()}`);
  }
}

await ensurePackages();
const { bundleCli, bundleWeb } = await import('./lib/bundle.mjs');
await buildLibrary();
await bundleCli();
chmodSync(join(root, 'dist/cli/main.js'), 0o755);
say('Built dist/lib (the library) and dist/cli/main.js (the command `reno`).');
if (!process.argv.includes('--package')) {
  await bundleWeb();
  say('Built dist/web (the page).');
}
