/** npm packages: `npm ci` where those of a package-lock.json are not installed yet. */
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { exec, root } from './exec.mjs';
import { duration, say, stop } from './say.mjs';

const readJson = (path) => JSON.parse(readFileSync(join(root, path), 'utf8'));

/**
 * Whether a folder's node_modules holds what its lock file says (npm keeps its own list of what it put there).
 * @param folder relative to the repository; empty: the repository itself
 */
function installed(folder = '') {
  if (!existsSync(join(root, folder, 'node_modules/.package-lock.json'))) {
    return false;
  }
  const wanted = readJson(join(folder, 'package-lock.json')).packages;
  const present = readJson(join(folder, 'node_modules/.package-lock.json')).packages;
  // Dawn is optional for a user of the package, who may want it in browsers only, but not here.
  const needed = Object.keys(wanted[''].optionalDependencies ?? {}).map((name) => `node_modules/${name}`);
  // The other optional packages are those of other platforms.
  return Object.entries(wanted).every(
    ([path, entry]) =>
      path === '' ||
      ((entry.optional || entry.devOptional) && !needed.includes(path)) ||
      present[path]?.version === entry.version,
  );
}

/** npm as the running npm if there is one, so that its version and settings are kept. */
export function npm(args) {
  const path = process.env.npm_execpath;
  if (path?.endsWith('.js')) {
    return exec(process.execPath, [path, ...args]);
  }
  return process.platform === 'win32' ? exec('cmd', ['/c', 'npm', ...args]) : exec('npm', args);
}

/** Installs the packages of this repository, unless they are there. Ends the process where npm cannot. */
export async function ensurePackages() {
  if (installed()) {
    return;
  }
  if (existsSync(join(root, 'node_modules')) && lstatSync(join(root, 'node_modules')).isSymbolicLink()) {
    say('node_modules is a link and does not match package-lock.json: run `npm ci` where it points.');
    return;
  }
  say('Installing the npm packages of package-lock.json (about 330 MB on disk, most of it Dawn and TypeScript) …');
  const start = performance.now();
  const { code, output } = await npm(['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  if (code !== 0) {
    console.error(output.trim());
    stop('npm could not install the packages (see above): the npm registry must be reachable once.');
  }
  say(`Installed the npm packages in ${duration(performance.now() - start)}.`);
}

/**
 * Installs the packages of a folder that has a package.json of its own, unless they are there.
 * @param folder relative to the repository
 * @param what what it is and how large, for the message
 * @throws Error when npm cannot
 */
export async function ensureFolderPackages(folder, what) {
  if (installed(folder)) {
    return;
  }
  say(`Installing ${what} into ${folder} (install scripts off) …`);
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  const { code, output } = await npm(['ci', '--prefix', join(root, folder), '--ignore-scripts', ...quiet]);
  if (code !== 0) {
    throw new Error(`npm could not install the packages of ${folder}: ${output.trim().split('\n').at(-1)}`);
  }
}
