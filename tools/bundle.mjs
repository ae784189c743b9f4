/**
 * `npm run bundle`: one archive for linux-x64 that runs `reno` on a machine with a GPU driver and nothing else: no network, no root.
 *   node tools/bundle.mjs                      dist/reno-webgpu-linux-x64.tar.xz, at most 55 MB
 *   node tools/bundle.mjs --without-weights    at most 33 MB, to be unpacked in a folder of this repository
 *   node tools/bundle.mjs --try                also unpacks it in a root that holds a C library and Mesa's software driver alone, and
 *                                              runs `reno selftest --quick --json` there as a user without rights (needs root here)
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { limitOf, writeArchive } from './lib/archive.mjs';
import { root } from './lib/exec.mjs';
import { ensurePackages } from './lib/packages.mjs';
import { say, stop } from './lib/say.mjs';

const FLAGS = ['--without-weights', '--try'];
const args = process.argv.slice(2);
const unknown = args.find((arg) => !FLAGS.includes(arg));
if (unknown) {
  stop(`npm run bundle takes no argument "${unknown}"; it takes ${FLAGS.join(' and ')}.`);
}
const withoutWeights = args.includes('--without-weights');
const isTried = args.includes('--try');
if (isTried && withoutWeights) {
  stop('--try needs the archive with weights: leave --without-weights out.');
}
if (process.platform !== 'linux' || process.arch !== 'x64') {
  stop(
    `The archive takes Node and Dawn from this machine, so it is made on linux-x64, not on ${process.platform}-${process.arch}.`,
  );
}

await ensurePackages();
const archive = await writeArchive(join(root, 'dist'), { withoutWeights }).catch((error) => stop(error.message));
const { size } = statSync(archive.path);
for (const { path, bytes } of archive.largest) {
  say(`${megabytes(bytes).padStart(9)}  ${path}`);
}
say(`${megabytes(archive.bytes).padStart(9)}  all ${archive.count} files; they need glibc ${archive.glibc} or later`);
const limit = limitOf(withoutWeights);
say(`${megabytes(size).padStart(9)}  ${archive.path}, at most ${megabytes(limit)} are allowed`);
if (size > limit) {
  stop(`The archive is too large by ${megabytes(size - limit)}.`);
}
if (isTried) {
  const { tryArchive } = await import('./lib/try_archive.mjs');
  process.exit(await tryArchive(archive.path).catch((error) => stop(error.message)));
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(2)} MB`;
}
