/** Runs a TypeScript file of this repository after set-up:   node tools/run.mjs commands/bin.ts generate --help */
import { runTypeScript } from './lib/exec.mjs';
import { setup } from './setup.mjs';

const [file, ...args] = process.argv.slice(2);
if (!file) {
  console.error('usage: node tools/run.mjs FILE.ts [arguments]');
  process.exit(2);
}
await setup();
process.exit(await runTypeScript(file, args));
