/** `npm run build`: dist/cli/main.js (the command `reno`) and dist/web (the page, for any static file server). */
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './lib/exec.mjs';
import { ensurePackages } from './lib/packages.mjs';
import { say } from './lib/say.mjs';

await ensurePackages();
const { bundleCli, bundleWeb } = await import('./lib/bundle.mjs');
await bundleCli();
chmodSync(join(root, 'dist/cli/main.js'), 0o755);
await bundleWeb();
say('Built dist/cli/main.js (the command `reno`) and dist/web (the page).');
