/** `npm pack`, installed and used as its users do: in Node, in pages, with bundlers and in TypeScript. */
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { build as esbuild, type Metafile } from 'esbuild';
import type { Browser } from 'playwright-core';
import { publint } from 'publint';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHROMIUM, launchChromium } from '../../commands/page/launch_chromium.ts';
import { BROWSER_PATIENCE } from '../support/chromium.ts';
import { exampleFiles, node, type Packed, pack, ROOT, serve, tool, UserFolder } from './packed.ts';

/** The largest size of the archive, and of the files in it. The pocket weights take 21.6 MB of either. */
const LIMIT_BYTES = 25.4e6;
const WANTED =
  /^(package\.json|README\.md|LICENSE|NOTICE\.md|CHANGELOG\.md|dist\/cli\/main\.js|dist\/lib\/.+\.(js|d\.ts)|weights\/.+)$/;
/** The largest size of the minified files with all of ReNO that a page loads at the start. */
const BUNDLE_BYTES = 500e3;

type Output = Metafile['outputs'][string];

/** An output and what it imports, apart from dynamic imports: what a page loads at the start. */
function loadedAtStart(outputs: Metafile['outputs'], output: Output, seen = new Set<Output>()): Output[] {
  if (seen.has(output)) {
    return [];
  }
  seen.add(output);
  const imported = output.imports.filter(({ kind }) => kind === 'import-statement').map(({ path }) => outputs[path]);
  return [output, ...imported.flatMap((one) => (one ? loadedAtStart(outputs, one, seen) : []))];
}
/** npm and tsc take their time on a busy machine, and a driver without a cache compiles for half a minute. */
const PATIENCE = 300_000;

let folder: string;
let packed: Packed;
let user: UserFolder;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'reno-packed-'));
  packed = await pack(folder);
  user = await UserFolder.install(packed.tarball);
}, PATIENCE);

afterAll(() => {
  user?.remove();
  rmSync(folder, { recursive: true, force: true });
});

describe('the archive', () => {
  it('holds what a user needs and nothing else', () => {
    const paths = packed.files.map(({ path }) => path);
    expect(paths.filter((path) => !WANTED.test(path))).toEqual([]);
    expect(paths).toEqual(expect.arrayContaining(['README.md', 'LICENSE', 'weights/pocket/reno.json']));
    const modules = paths.filter((path) => /^dist\/lib\/.*\.js$/.test(path));
    expect(modules.filter((path) => !paths.includes(path.replace(/\.js$/, '.d.ts')))).toEqual([]);
  });

  it('is small', () => {
    expect(packed.size).toBeLessThan(LIMIT_BYTES);
    expect(packed.unpackedSize).toBeLessThan(LIMIT_BYTES);
  });

  it('is clean for publint', async () => {
    const bytes = readFileSync(packed.tarball);
    const { messages } = await publint({ pack: { tarball: Uint8Array.from(bytes).buffer }, strict: true });
    expect(messages).toEqual([]);
  });

  it('has types that are right', async () => {
    const checked = await checkPackage(createPackageFromTarballData(readFileSync(packed.tarball)));
    if (!checked.types) {
      throw new Error('the archive has no types');
    }
    // The package is ES modules alone: `require` of TypeScript's older resolutions is not for it.
    const modern = checked.problems.filter(
      (p) => !('resolutionKind' in p && ['node10', 'node16-cjs'].includes(p.resolutionKind)),
    );
    expect(modern).toEqual([]);
    expect(Object.keys(checked.entrypoints)).toEqual(expect.arrayContaining(['.', './engine', './models', './reno']));
  });
});

describe('the examples', () => {
  /** The output, or the files, of each example; the pages are tested below. */
  const inNode: Readonly<Record<string, () => Promise<void>>> = {
    'regression.mjs': async () => {
      const printed = await runs('regression.mjs');
      expect(Number(/step 200: loss (\S+)/.exec(printed)?.[1])).toBeLessThan(1e-6);
    },
    'own_op.mjs': async () => {
      const printed = await runs('own_op.mjs');
      expect(printed).toMatch(/^naive #0 f32\[3,50\]: error \S+$/m);
      expect(printed).toMatch(/^gradient #0 f32\[3,50\]: error \S+$/m);
    },
    'reno.mjs': async () => {
      const printed = await runs('reno.mjs');
      const losses = [...printed.matchAll(/^\d+ (\S+)/gm)].map((match) => Number(match[1]));
      expect(losses).toHaveLength(12);
      expect(Math.min(...losses)).toBeLessThan(losses[0] ?? 0);
    },
    'clip_score.mjs': async () => {
      const printed = await runs('clip_score.mjs'); // of the pictures that reno.mjs left
      const [init = Number.NaN, best = Number.NaN] = [...printed.matchAll(/^(\S+) {2}\w+\.png$/gm)].map((match) =>
        Number(match[1]),
      );
      expect(best).toBeGreaterThan(init);
    },
  };

  async function runs(file: string): Promise<string> {
    user.example(file);
    const { code, stdout, stderr } = await node([file], user.path);
    expect(code, stderr).toBe(0);
    return stdout;
  }

  it('are each shorter than forty lines, and all of them run here', () => {
    const pages = ['page.html', 'vite/index.html', 'vite/main.js', 'vite/vite.config.js'];
    // test/commands/prompt_bench/manifests.test.ts parses their command lines.
    const programs = exampleFiles().filter((file) => !/^(kubernetes|slurm)\//.test(file));
    expect(programs).toEqual([...Object.keys(inNode), ...pages].sort());
    const lines = (file: string): number =>
      readFileSync(join(ROOT, 'examples', file), 'utf8')
        .trimEnd()
        .split('\n').length;
    expect(programs.filter((file) => lines(file) >= 40)).toEqual([]);
  });

  it("the README's programs run as well", { timeout: PATIENCE }, async () => {
    const section = /^## As a library\n(.*?)^## /ms.exec(readFileSync(join(ROOT, 'README.md'), 'utf8'))?.[1] ?? '';
    const programs = [...section.matchAll(/^```js\n(.*?)^```/gms)].map((match) => match[1] ?? '');
    expect(programs.length).toBeGreaterThan(1);
    for (const program of programs) {
      user.write('readme.mjs', program);
      const { code, stderr } = await node(['readme.mjs'], user.path);
      expect(code, stderr).toBe(0);
    }
  });

  it.each(Object.entries(inNode))('%s runs in Node', { timeout: PATIENCE }, (_, run) => run());
});

describe('bundlers', () => {
  async function bundled(code: string): Promise<Output & { readonly text: string; readonly bytesAtStart: number }> {
    const { metafile, outputFiles } = await esbuild({
      stdin: { contents: code, resolveDir: user.path },
      bundle: true,
      minify: true,
      platform: 'browser',
      format: 'esm',
      // Modules that are imported only where they are needed, such as the tables of text cleaning, are files of their own.
      splitting: true,
      outdir: join(user.path, 'bundled'),
      metafile: true,
      write: false,
    });
    const output = Object.values(metafile.outputs).find(({ entryPoint }) => entryPoint === '<stdin>');
    if (!output) {
      throw new Error('esbuild made no bundle');
    }
    const loaded = loadedAtStart(metafile.outputs, output);
    const names = Object.keys(metafile.outputs).filter((name) => loaded.includes(metafile.outputs[name] ?? output));
    const files = outputFiles.filter(({ path }) => names.some((name) => basename(name) === basename(path)));
    const text = files.map((file) => file.text).join('\n');
    return {
      ...{ ...output, text, bytesAtStart: loaded.reduce((sum, { bytes }) => sum + bytes, 0) },
      inputs: Object.fromEntries(loaded.flatMap(({ inputs }) => Object.entries(inputs))),
    };
  }

  const of = (output: Metafile['outputs'][string], room: string): string[] =>
    Object.entries(output.inputs)
      .filter(([path, { bytesInOutput }]) => bytesInOutput > 0 && path.includes(`reno-webgpu/dist/lib/${room}/`))
      .map(([path]) => path);

  it('the package needs no Symbol.dispose, which some browsers with WebGPU lack', async () => {
    const { text } = await bundled("export * from 'reno-webgpu';");
    // TypeScript writes this message where it replaces `using`.
    expect(text.includes('Symbol.dispose is not defined')).toBe(false);
  });

  it('esbuild bundles the page, without anything of Node', async () => {
    user.example('vite/main.js', 'main.js');
    const output = await bundled("import './main.js';");
    expect(output.bytesAtStart).toBeLessThan(BUNDLE_BYTES);
    expect(output.imports.filter(({ external }) => external)).toEqual([]);
    expect(Object.keys(output.inputs).filter((path) => /platform\/node|fast-png|citty|\/webgpu\//.test(path))).toEqual(
      [],
    );
  });

  it('a program of the engine alone carries every op and no model', async () => {
    const output = await bundled("import { compile, Graph } from 'reno-webgpu'; console.log(compile, Graph);");
    expect(of(output, 'kernels').some((path) => path.endsWith('/matmul.js'))).toBe(true);
    expect([...of(output, 'models'), ...of(output, 'reno')]).toEqual([]);
  });

  it('Vite builds the page', { timeout: PATIENCE }, async () => {
    for (const file of ['index.html', 'main.js', 'vite.config.js']) {
      user.example(`vite/${file}`, file);
    }
    const { code, stderr } = await node([tool('vite/bin/vite.js'), 'build'], user.path);
    expect(code, stderr).toBe(0);
    const script = /src="\.\/(assets\/[^"]+\.js)"/.exec(user.read('dist/index.html'))?.[1] ?? '';
    expect(user.read(join('dist', script)).match(/[^\n]{0,40}("node:|__vite-browser-external)/)).toBeNull();
    expect(existsSync(join(user.path, 'dist/pocket/reno.json'))).toBe(true);
  });
});

const STRICT = { strict: true, noUncheckedIndexedAccess: true, noEmit: true, skipLibCheck: false, types: [] };

describe('TypeScript', () => {
  const NODE = { ...STRICT, module: 'nodenext', moduleResolution: 'nodenext', target: 'es2023' };
  const users = {
    'a program for browsers, moduleResolution bundler': {
      ...STRICT,
      module: 'esnext',
      moduleResolution: 'bundler',
      target: 'es2022',
      lib: ['es2022', 'dom', 'dom.iterable'],
    },
    'a program for Node, moduleResolution nodenext': NODE,
    // TypeScript has its types of WebGPU in the DOM library: without it, no checking of libraries.
    'a program for Node without the DOM library': { ...NODE, lib: ['es2023'], skipLibCheck: true },
  };

  async function complaints(compilerOptions: object, files: readonly string[]): Promise<string> {
    user.write('types/tsconfig.json', JSON.stringify({ compilerOptions, files }));
    return (await node([tool('typescript/bin/tsc'), '-p', 'types'], user.path)).stdout;
  }

  it.each(Object.entries(users))('%s', { timeout: PATIENCE }, async (_, compilerOptions) => {
    user.write('types/user.ts', readFileSync(join(import.meta.dirname, 'consumer/user.ts'), 'utf8'));
    expect(await complaints(compilerOptions, ['user.ts'])).toBe('');
  });

  it('the examples of Node, which are JavaScript', { timeout: PATIENCE }, async () => {
    const examples = exampleFiles().filter((file) => file.endsWith('.mjs'));
    for (const file of examples) {
      user.example(file, `types/${file}`);
    }
    const node = { types: ['node'], typeRoots: [join(ROOT, 'node_modules/@types')] };
    const options = { ...NODE, ...node, noUncheckedIndexedAccess: false, allowJs: true, checkJs: true };
    expect(await complaints(options, examples)).toBe('');
  });
});

it('every public name is described', { timeout: PATIENCE }, async () => {
  const { code, stderr } = await node([join(ROOT, 'tools/docs.mjs'), '--check'], ROOT);
  expect(code, stderr).toBe(0);
});

describe('the command reno', () => {
  const reno = (...args: string[]) =>
    node([join(user.path, 'node_modules/reno-webgpu/dist/cli/main.js'), ...args], user.path);

  it('finds the weights of the package', { timeout: PATIENCE }, async () => {
    const { code, stderr } = await reno(
      'generate',
      '--prompt',
      'a photo of a red cat',
      '--n-iters',
      '2',
      '--out',
      'out',
    );
    expect(code, stderr).toBe(0);
    expect(existsSync(join(user.path, 'out/best.png'))).toBe(true);
  });

  it('is installed under its name', () => {
    expect(existsSync(join(user.path, 'node_modules/.bin', process.platform === 'win32' ? 'reno.cmd' : 'reno'))).toBe(
      true,
    );
  });
});

if (!CHROMIUM) {
  console.warn('SKIPPED the pages in a browser: no Chromium in /usr/bin, and the variable CHROMIUM names none.');
}

describe.skipIf(!CHROMIUM)('the pages in Chromium', { timeout: BROWSER_PATIENCE }, () => {
  let server: Awaited<ReturnType<typeof serve>>;
  let browser: Browser;

  beforeAll(async () => {
    user.example('page.html');
    server = await serve(user.path);
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  it.each(['page.html', 'dist/index.html'])('%s makes its first picture', async (path) => {
    const page = await browser.newPage();
    await page.goto(`${server.url}/${path}`, { timeout: BROWSER_PATIENCE });
    await page.waitForFunction(() => document.querySelector('p')?.textContent !== 'Loading …', null, {
      timeout: BROWSER_PATIENCE,
    });
    expect(await page.textContent('p')).toMatch(/^iteration \d+: loss \d+\.\d+/);
    await page.close();
  });
});

it('Node without Dawn says what to install', { timeout: PATIENCE }, async () => {
  const dawn = join(user.path, 'node_modules/webgpu');
  renameSync(dawn, `${dawn}-hidden`);
  try {
    const program =
      "import { openDevice } from 'reno-webgpu'; await openDevice().catch((e) => console.log(e.message));";
    const { stdout } = await node(['--input-type=module', '--eval', program], user.path);
    expect(stdout).toMatch(/^WebGPU in Node needs the npm package webgpu .*install it/);
  } finally {
    renameSync(`${dawn}-hidden`, dawn);
  }
});
