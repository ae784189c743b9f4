/**
 * Builds the page as files in memory: its HTML, scripts and styles, and the weights in a few packs. Every file but the HTML and
 * the service worker has a hash of its bytes in its name, so it can be cached for ever and two builds never mix.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import * as esbuild from 'esbuild';
import { root } from './exec.mjs';

const SOURCE = join(root, 'src/web');
const WEIGHTS = join(root, 'weights/pocket');
/** The name by which the HTML asks for the list of packed weights. */
const MODELS = './models.json';
const HASH_LENGTH = 10;
/** The name by which the HTML asks for the list of published models. */
const PUBLISHED = './published.json';
/** Tensors start at multiples of this. */
const ALIGNMENT = 16;

/** Attributes of the HTML that name a file of src/web (or the list of weights). */
const LINK = /\b(src|href)="(\.{1,2}\/[^"]+)"/g;

const options = {
  absWorkingDir: root,
  bundle: true,
  platform: 'browser',
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  write: false,
  // Browsers that have WebGPU but not yet `using`.
  banner: { js: 'Symbol.dispose ??= Symbol.for("Symbol.dispose");' },
};

const hashOf = (bytes) => createHash('sha256').update(bytes).digest('hex').slice(0, HASH_LENGTH);

/** Puts `bytes` under their hashed name among the assets. @returns the path */
function addAsset(files, name, bytes) {
  const dot = name.lastIndexOf('.');
  const path = `assets/${name.slice(0, dot)}-${hashOf(bytes)}${name.slice(dot)}`;
  files.set(path, bytes);
  return path;
}

/** Texts of TypeScript modules that a page imports as files: by the name in the import, the module, its export and the kind of file. */
const TEXTS = {
  'report-style': { file: 'src/reno/report/report_style.ts', name: 'REPORT_STYLE', loader: 'css' },
  'profile-style': { file: 'src/reno/profile_page/profile_style.ts', name: 'PROFILE_STYLE', loader: 'css' },
  'profile-script': {
    file: 'src/reno/profile_page/profile_style.ts',
    name: 'PROFILE_SCRIPT',
    loader: 'js',
    exported: 'bindProfile',
  },
};

const texts = {
  name: 'texts',
  setup(build) {
    build.onResolve({ filter: /^(report|profile)-(style|script)$/ }, ({ path }) => ({ path, namespace: 'texts' }));
    build.onLoad({ filter: /.*/, namespace: 'texts' }, async ({ path }) => {
      const { name, loader, exported } = TEXTS[path];
      const file = join(root, TEXTS[path].file);
      const { code } = await esbuild.transform(readFileSync(file, 'utf8'), { loader: 'ts', format: 'esm' });
      const module = await import(`data:text/javascript,${encodeURIComponent(code)}`);
      const contents = exported ? `${module[name]}export { ${exported} };` : module[name];
      return { contents, loader, watchFiles: [file] };
    });
  },
};

/** Packs the weights: those of a run, and those of the evaluator, which only some visits need. @returns the list's path */
function packWeights(files) {
  const list = { format: 1, packs: {}, files: {} };
  if (existsSync(WEIGHTS)) {
    const names = readdirSync(WEIGHTS, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => posix.join(entry.parentPath.slice(WEIGHTS.length + 1).replaceAll('\\', '/'), entry.name))
      .sort();
    for (const pack of ['pocket', 'evaluator']) {
      const parts = [];
      /** Files with the same bytes, such as tokenizers, are stored once. */
      const known = new Map();
      let size = 0;
      for (const name of names.filter((name) => name.startsWith('evaluator/') === (pack === 'evaluator'))) {
        const bytes = readFileSync(join(WEIGHTS, name));
        const hash = hashOf(bytes);
        if (!known.has(hash)) {
          known.set(hash, size);
          const padding = (ALIGNMENT - (bytes.length % ALIGNMENT)) % ALIGNMENT;
          parts.push(bytes, Buffer.alloc(padding));
          size += bytes.length + padding;
        }
        list.files[name] = [pack, known.get(hash), bytes.length];
      }
      const whole = Buffer.concat(parts);
      list.packs[pack] = { file: posix.basename(addAsset(files, `${pack}.bin`, whole)), bytes: whole.length };
    }
  }
  return addAsset(files, 'models.json', Buffer.from(JSON.stringify(list)));
}

/** Writes which repositories the published models are made of, and the small files that this package adds. @returns the list's path */
function listPublished(files) {
  const { models, rewards, checkpoints } = JSON.parse(readFileSync(join(root, 'weights/manifest.json'), 'utf8'));
  const repos = Object.fromEntries(checkpoints.map(({ name, repo }) => [name, repo]));
  const packaged = {};
  for (const part of models.flatMap(({ parts }) => parts).filter((part) => part.package)) {
    const path = join(root, 'weights', part.package);
    const names = statSync(path).isDirectory()
      ? readdirSync(path).map((name) => `${part.package}/${name}`)
      : [part.package];
    for (const name of names) {
      packaged[name] = readFileSync(join(root, 'weights', name), 'utf8');
    }
  }
  return addAsset(files, 'published.json', Buffer.from(JSON.stringify({ models, rewards, repos, packaged })));
}

/** Scripts that hold the engine. They need most of what they import later anyway, and its parts would share many small files. */
const WHOLE = ['engine/worker.ts', 'profile/main.ts'];

/**
 * Bundles a script or a style sheet. Each alone: code that several share would otherwise be split into many small files, each of
 * which is a request. Only what a script imports later has files of its own, and not even that in those that are whole.
 * @returns the output's path, and those of all outputs
 */
async function bundle(files, source, { minify }) {
  const { outputFiles, metafile } = await esbuild.build({
    ...options,
    entryPoints: [join('src/web', source)],
    entryNames: 'assets/[name]-[hash]',
    chunkNames: 'assets/[name]-[hash]',
    splitting: !WHOLE.includes(source),
    outdir: root,
    metafile: true,
    minify,
    sourcemap: minify ? false : 'inline',
    plugins: [texts],
  });
  const [main] =
    Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint === `src/web/${source}`) ?? [];
  // What only code imports that was shaken out is written too, and nothing asks for it.
  const all = reachable(metafile.outputs, main);
  for (const { path, contents } of outputFiles) {
    const output = path.slice(root.length).replaceAll('\\', '/').replace(/^\//, '');
    if (all.includes(output)) {
      files.set(output, contents);
    }
  }
  return { main, all };
}

/** Returns an output of the bundler, those that it imports, and so on. */
function reachable(outputs, main) {
  const found = new Set([main]);
  for (const path of found) {
    for (const { path: to, external } of outputs[path]?.imports ?? []) {
      if (!external) {
        found.add(to);
      }
    }
  }
  return [...found];
}

/**
 * Builds the page.
 * @param {{ minify: boolean }} how minify: as it is published; else readable, with source maps
 * @returns {Promise<Map<string, Uint8Array>>} the files by their paths
 */
export async function buildPage({ minify }) {
  const files = new Map();
  const pages = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.html'))
    .map((name) => name.replaceAll('\\', '/'));
  const html = new Map(pages.map((page) => [page, readFileSync(join(SOURCE, page), 'utf8')]));
  const linked = [...html].flatMap(([page, text]) =>
    [...text.matchAll(LINK)].map(([, , to]) => posix.join(posix.dirname(page), to)),
  );
  const sources = [...new Set(linked)].filter((path) => existsSync(join(SOURCE, path)) && !pages.includes(path));
  const isCode = (path) => /\.(ts|css)$/.test(path);
  const bundled = sources.filter(isCode).map(async (path) => [path, await bundle(files, path, { minify })]);
  const bundles = new Map(await Promise.all(bundled));
  const outputs = new Map([...bundles].map(([path, { main }]) => [path, main]));
  for (const path of sources.filter((path) => !isCode(path))) {
    outputs.set(path, addAsset(files, posix.basename(path), readFileSync(join(SOURCE, path))));
  }
  outputs.set(posix.normalize(MODELS), packWeights(files));
  outputs.set(posix.normalize(PUBLISHED), listPublished(files));
  for (const [page, text] of html) {
    const here = posix.dirname(page);
    const address = (to) => {
      const output = outputs.get(posix.join(here, to));
      return output === undefined ? to : posix.relative(here, output);
    };
    files.set(page, Buffer.from(text.replace(LINK, (_, name, to) => `${name}="${address(to)}"`)));
  }
  files.set('_headers', Buffer.from(headersFile(html)));
  const first = [...html.get('index.html').matchAll(LINK)].map(([, , to]) => posix.normalize(to));
  const firstFiles = first.flatMap((path) => bundles.get(path)?.all ?? outputs.get(path) ?? []);
  files.set('sw.js', await serviceWorker(files, firstFiles, { minify }));
  return files;
}

/**
 * Builds a page that has one script of this repository and nothing else, under the policy of the first page.
 * @param {string} source the script's path from the repository's root
 * @returns {Promise<Map<string, Uint8Array>>} the files by their paths
 */
export async function buildBarePage(source) {
  const { outputFiles } = await esbuild.build({ ...options, entryPoints: [source], outdir: root, minify: true });
  const policy = policyOf(readFileSync(join(SOURCE, 'index.html'), 'utf8'));
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><title>${source}</title>
<meta http-equiv="Content-Security-Policy" content="${policy}"><link rel="icon" href="icon.svg">
<script type="module" src="script.js"></script></html>
`;
  return new Map([
    ['index.html', Buffer.from(html)],
    ['icon.svg', readFileSync(join(SOURCE, 'icon.svg'))],
    ['script.js', outputFiles[0].contents],
  ]);
}

/** The service worker knows all files of its build. @param firstFiles those that the first page needs, which it keeps from the start */
async function serviceWorker(files, firstFiles, { minify }) {
  const known = [...files.keys()].filter((path) => path !== '_headers');
  const version = hashOf(Buffer.from([...files].map(([path, bytes]) => `${path} ${hashOf(bytes)}`).join('\n')));
  const { outputFiles } = await esbuild.build({
    ...options,
    entryPoints: ['src/web/offline/service_worker.ts'],
    outfile: join(root, 'sw.js'),
    format: 'iife',
    minify,
    define: {
      PAGE_VERSION: JSON.stringify(version),
      PAGE_FILES: JSON.stringify(known),
      FIRST_FILES: JSON.stringify(firstFiles),
    },
  });
  return outputFiles[0].contents;
}

/** Returns the Content-Security-Policy that a page's `<meta>` has. */
export function policyOf(html) {
  return (
    /http-equiv="Content-Security-Policy"\s+content="([^"]+)"/.exec(html)?.[1].replaceAll(/\s+/g, ' ').trim() ?? ''
  );
}

/** HTTP headers for a path, as docs/hosting.md advises. @param policy the policy of the page's `<meta>` */
export function headersFor(path, policy) {
  const fixed = path.startsWith('assets/') && !path.endsWith('.html');
  return {
    'Cache-Control': fixed ? 'public, max-age=31536000, immutable' : 'no-cache',
    'Content-Security-Policy': `${policy}; frame-ancestors 'none'`,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
  };
}

/** The same headers in the form that Netlify, Cloudflare Pages and others read from a file `_headers`. */
function headersFile(html) {
  const policy = policyOf(html.get('index.html') ?? '');
  const block = (pattern, path) =>
    [pattern, ...Object.entries(headersFor(path, policy)).map(([name, value]) => `  ${name}: ${value}`)].join('\n');
  return `${block('/assets/*', 'assets/x.js')}\n\n${block('/*', 'index.html')}\n`;
}
