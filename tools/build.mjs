/**
 * Makes what runs without TypeScript:   node tools/build.mjs [--package]
 *   dist/lib            the library: a JavaScript module and its types for each source file
 *   dist/cli/main.js    the command `reno`, in one file
 *   dist/web            the page, for any static file server; not with --package, because the npm package does not hold it
 */
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './lib/exec.mjs';
import { buildLibrary } from './lib/library.mjs';
import { ensurePackages } from './lib/packages.mjs';
import { say } from './lib/say.mjs';

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
