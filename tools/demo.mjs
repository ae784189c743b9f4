/**
 * `npm run demo`: sets up, then runs ReNO on the embedded pocket models and says where the pictures are.
 * Further arguments go to `reno generate`, such as `npm run demo -- --prompt "a photo of three butterflies" --seed 3`.
 */
import { join } from 'node:path';
import { root, runTypeScript } from './lib/exec.mjs';
import { say } from './lib/say.mjs';
import { setup } from './setup.mjs';

/** A held-out prompt (no network was trained on a red tree) and its noise in the evaluation: one that one step gets wrong and ReNO right. */
const PROMPT = 'a photo of a red tree and a purple heart';
const SEED = '114';
const OUTPUT = join(root, 'reno-out/demo');

const given = process.argv.slice(2);
const unless = (flag, value) => (given.some((arg) => arg === flag || arg.startsWith(`${flag}=`)) ? [] : [flag, value]);

const adapter = await setup();
say(`WebGPU runs on ${adapter.description || adapter.name || 'an unnamed adapter'}.`);
const args = [...unless('--prompt', PROMPT), ...unless('--seed', SEED), ...unless('--out', OUTPUT), ...given];
const code = await runTypeScript('commands/bin.ts', ['generate', ...args]);
if (code === 0 && !given.some((arg) => arg.startsWith('--out'))) {
  say('');
  say(`before   ${join(OUTPUT, 'init.png')}`);
  say(`after    ${join(OUTPUT, 'best.png')}`);
  say(`report   ${join(OUTPUT, 'report.html')}   (open it in a browser; it needs no server)`);
}
process.exit(code);
