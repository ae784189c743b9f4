/** esbuild settings of the command and the page. Imported only after set-up, because it needs esbuild. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as esbuild from 'esbuild';
import { root } from './exec.mjs';
import { buildPage } from './page.mjs';

const command = {
  absWorkingDir: root,
  entryPoints: ['commands/bin.ts'],
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  // Fewer bytes to install; names stay, so that the stack of a bug says something.
  minifyWhitespace: true,
};

/** The command `reno`: one file beside node_modules, since Dawn and the tokenizers stay packages. */
export function bundleCli() {
  return esbuild.build({ ...command, outfile: 'dist/cli/main.js', packages: 'external' });
}

/** The same in one file beside Dawn alone, for the archive of tools/bundle.mjs. */
export function bundleAlone(outfile) {
  return esbuild.build({
    ...command,
    outfile,
    external: ['webgpu'],
    // Packages in CommonJS ask for Node's modules by require.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
  });
}

/** Writes the page, ready for any static file server, into dist/web. */
export async function bundleWeb() {
  const outdir = join(root, 'dist/web');
  const files = await buildPage({ minify: true });
  rmSync(outdir, { recursive: true, force: true });
  for (const [path, bytes] of files) {
    mkdirSync(dirname(join(outdir, path)), { recursive: true });
    writeFileSync(join(outdir, path), bytes);
  }
}
