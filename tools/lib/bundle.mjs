/** esbuild settings of the two faces. Imported only after set-up, because it needs esbuild. */
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as esbuild from 'esbuild';
import { root } from './exec.mjs';

const WEB_OUT = join(root, 'dist/web');

/** The command `reno`: one file beside node_modules, since Dawn and the tokenizers stay packages. */
export function bundleCli() {
  return esbuild.build({
    absWorkingDir: root,
    entryPoints: ['src/cli/main.ts'],
    outfile: 'dist/cli/main.js',
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    banner: { js: '#!/usr/bin/env node' },
  });
}

const web = {
  absWorkingDir: root,
  entryPoints: ['src/web/main.ts', 'src/web/style.css'],
  outdir: 'dist/web',
  bundle: true,
  platform: 'browser',
  format: 'esm',
  target: 'es2022',
  sourcemap: true,
  // Browsers that have WebGPU but not yet `using`.
  banner: { js: 'Symbol.dispose ??= Symbol.for("Symbol.dispose");' },
};

/** What the page needs beside its code: itself and the pocket weights. */
function copyStatic() {
  rmSync(WEB_OUT, { recursive: true, force: true });
  mkdirSync(WEB_OUT, { recursive: true });
  cpSync(join(root, 'src/web/index.html'), join(WEB_OUT, 'index.html'));
  if (existsSync(join(root, 'weights/pocket'))) {
    cpSync(join(root, 'weights/pocket'), join(WEB_OUT, 'pocket'), { recursive: true });
  }
}

/** The browser page, ready for any static file server, in dist/web. */
export function bundleWeb() {
  copyStatic();
  return esbuild.build({ ...web, minify: true });
}

/** Serves the page with fresh code on every load; resolves to its address. Serves this machine only. */
export async function serveWeb(port) {
  copyStatic();
  const context = await esbuild.context(web);
  const served = await context.serve({ servedir: WEB_OUT, host: '127.0.0.1', port });
  return { url: `http://127.0.0.1:${served.port}/`, close: () => context.dispose() };
}
