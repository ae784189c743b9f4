/**
 * Makes a fresh clone runnable: npm packages, and a Vulkan driver for Dawn. Plain Node, because it runs before anything is installed.
 * Safe to run again; under a second when all is there.   node tools/setup.mjs
 */
import { isMain } from './lib/main_module.mjs';
import { ensurePackages } from './lib/packages.mjs';
import { say, stop } from './lib/say.mjs';
import { ensureAdapter } from './lib/vulkan.mjs';

const OLDEST_NODE = [20, 11];

export async function setup() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    stop(`Node ${OLDEST_NODE.join('.')} or newer is needed; this is ${process.versions.node}.`);
  }
  await ensurePackages();
  return ensureAdapter();
}

if (isMain(import.meta.url)) {
  const adapter = await setup();
  say(`Ready: WebGPU on ${adapter.description || adapter.name || 'an unnamed adapter'}.`);
}
