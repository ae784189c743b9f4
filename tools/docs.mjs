/**
 * `npm run docs`: writes the API reference to dist/docs, from the types that users of the package get. It fails where a public
 * name has no description, or where the type of a public name is not public itself.
 *   node tools/docs.mjs --check    checks the same, writes nothing
 */
import { join } from 'node:path';
import { exec, root } from './lib/exec.mjs';
import { buildLibrary } from './lib/library.mjs';
import { ensureFolderPackages, ensurePackages } from './lib/packages.mjs';
import { say, stop } from './lib/say.mjs';

const TYPEDOC = join(root, 'tools/docs/node_modules/typedoc/bin/typedoc');
const check = process.argv.includes('--check');

await ensurePackages();
await ensureFolderPackages('tools/docs', 'TypeDoc and its TypeScript (about 50 MB on disk)');
await buildLibrary();
const args = [TYPEDOC, '--options', join(root, 'tools/docs/typedoc.json'), ...(check ? ['--emit', 'none'] : [])];
const { code, output } = await exec(process.execPath, args, { env: { ...process.env, NO_COLOR: '1' } });
if (code !== 0) {
  stop(`The API reference is not complete:\n${output.trim()}`);
}
say(check ? 'Every public name is described.' : 'Wrote the API reference to dist/docs/index.html.');
