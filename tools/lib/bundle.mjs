/** esbuild settings of the command and the page. Imported only after set-up, because it needs esbuild. */
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as esbuild from 'esbuild';
import { root } from './exec.mjs';

/** The command `reno`: one file beside node_modules, since Dawn and the tokenizers stay packages. */
export function bundleCli() {
  return esbuild.build({
    absWorkingDir: root,
    entryPoints: ['commands/bin.ts'],
    outfile: 'dist/cli/main.js',
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
  });
}

/** The same in one file beside Dawn alone, for the archive of tools/bundle.mjs. */
export function bundleAlone(outfile) {
  return esbuild.build({
    absWorkingDir: root,
    entryPoints: ['commands/bin.ts'],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['webgpu'],
    // Packages in CommonJS ask for Node's modules by require.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
  });
}

const web = {
  absWorkingDir: root,
  entryPoints: ['src/web/main.ts', 'src/web/style.css'],
  bundle: true,
  platform: 'browser',
  format: 'esm',
  // Tables of text cleaning are loaded with the first tokenizer that needs them.
  splitting: true,
  target: 'es2022',
  charset: 'utf8',
  sourcemap: true,
  // Browsers that have WebGPU but not yet `using`.
  banner: { js: 'Symbol.dispose ??= Symbol.for("Symbol.dispose");' },
};

/** Puts what the page needs beside its code into a fresh folder: itself and the pocket weights. */
function copyStatic(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  cpSync(join(root, 'src/web/index.html'), join(folder, 'index.html'));
  if (existsSync(join(root, 'weights/pocket'))) {
    cpSync(join(root, 'weights/pocket'), join(folder, 'pocket'), { recursive: true });
  }
}

/** The browser page, ready for any static file server, in dist/web. */
export function bundleWeb() {
  const outdir = join(root, 'dist/web');
  copyStatic(outdir);
  return esbuild.build({ ...web, outdir, minify: true });
}

/** Serves the page with fresh code on every load, to this machine only; resolves to its address. */
export async function serveWeb(port) {
  // Not dist/web: a build must not pull the files from under a server.
  const outdir = join(root, 'dist/serve');
  copyStatic(outdir);
  const context = await esbuild.context({ ...web, outdir });
  const served = await context.serve({ servedir: outdir, host: '127.0.0.1', port });
  return { url: `http://127.0.0.1:${served.port}/`, close: () => context.dispose() };
}
