/** What strangers could reach: packages, their licences, scripts at installation, workflows. SECURITY.md promises it. */
import { readdirSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
// @ts-expect-error plain JavaScript, because it also runs before anything is installed
import { serveFiles } from '../../tools/lib/serve.mjs';

const root = resolve(import.meta.dirname, '../..');
const text = (path: string): string => readFileSync(join(root, path), 'utf8');

interface LockEntry {
  readonly version: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly dev?: boolean;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
  readonly license?: string;
}
const lock: { readonly lockfileVersion: number; readonly packages: Readonly<Record<string, LockEntry>> } = JSON.parse(
  text('package-lock.json'),
);
const manifest: Readonly<Record<string, Readonly<Record<string, string>>>> = JSON.parse(text('package.json'));
const packages = Object.entries(lock.packages).filter(([path]) => path !== '');
const production = packages.filter(([, { dev }]) => !dev);
const nameOf = (path: string): string => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);

describe('package-lock.json', () => {
  it('has a SHA-512 for every package, and takes none from elsewhere than the registry', () => {
    expect(packages.length).toBeGreaterThan(50);
    const bad = packages.filter(
      ([, { integrity = '', link, resolved = 'https://registry.npmjs.org/' }]) =>
        !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity) || link || !resolved.startsWith('https://registry.npmjs.org/'),
    );
    expect(bad).toEqual([]);
  });

  it('has the direct dependencies of package.json, which come from the registry by version', () => {
    const direct = ['dependencies', 'optionalDependencies', 'devDependencies'].flatMap((kind) =>
      Object.entries(manifest[kind] ?? {}),
    );
    expect(direct.filter(([name]) => !(`node_modules/${name}` in lock.packages))).toEqual([]);
    expect(direct.filter(([, range]) => !/^[\^~]?\d+\.\d+\.\d+$/.test(range))).toEqual([]);
  });
});

describe('licences', () => {
  /** Permissive ones that the package's own MIT licence can stand beside. */
  const PERMISSIVE = new Set(['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD']);

  it('of production dependencies are permissive', () => {
    expect(production.filter(([, { license = '' }]) => !PERMISSIVE.has(license))).toEqual([]);
  });

  it('stand in NOTICE.md, with name and licence, and no others do', () => {
    const rows = [...text('NOTICE.md').matchAll(/^\| \[(\S+)\]\(\S+\) \| (\S+) \|/gm)].map(([, name, licence]) => [
      name,
      licence,
    ]);
    const wanted = production.map(([path, { license }]) => [nameOf(path), license]);
    expect(rows.sort()).toEqual(wanted.sort());
  });
});

describe('scripts at installation', () => {
  it('this package has none', () => {
    const own = Object.keys(manifest.scripts ?? {}).filter((name) =>
      /^(pre|post)?(install|uninstall|prepare)$|^dependencies$/.test(name),
    );
    expect(own).toEqual([]);
  });

  it('of others are those that are known: they check or choose a binary that they bring', () => {
    const scripted = (list: typeof packages) =>
      list.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => nameOf(path));
    expect(scripted(production)).toEqual(['webgpu']); // It lets macOS run the binary.
    expect(scripted(packages)).toEqual(['esbuild', 'msgpackr-extract', 'webgpu']);
  });
});

it('the page is served to names of this machine alone', async () => {
  const { url, close } = await serveFiles(async () => new Map([['index.html', Buffer.from('page')]]), { port: 0 });
  const status = (host: string) =>
    new Promise((resolve, reject) => {
      get(url, { headers: { host } }, (response) => resolve(response.resume().statusCode)).on('error', reject);
    });
  try {
    expect(new URL(url).hostname).toBe('127.0.0.1');
    expect(await Promise.all(['127.0.0.1:8080', 'localhost'].map(status))).toEqual([200, 200]);
    expect(await Promise.all(['evil.example', '127.0.0.1.evil.example'].map(status))).toEqual([403, 403]);
  } finally {
    close();
  }
});

describe('workflows', () => {
  const folder = join(root, '.github/workflows');

  it.each(readdirSync(folder))('%s pins each action by commit, and asks for no more than reading', (name) => {
    const workflow = readFileSync(join(folder, name), 'utf8');
    const actions = [...workflow.matchAll(/uses: (\S+)/g)].map(([, action]) => action);
    expect(actions.filter((action) => !/^[\w-]+\/[\w-]+@[0-9a-f]{40}$/.test(action ?? ''))).toEqual([]);
    expect(workflow).toMatch(/^permissions:\n {2}contents: read\n(?! )/m);
    expect(workflow).not.toMatch(/pull_request_target|secrets\./);
  });

  it('the package is published with provenance', () => {
    const workflow = readFileSync(join(folder, 'publish.yml'), 'utf8');
    expect(workflow).toContain('npm publish --provenance');
    expect(workflow).toMatch(/id-token: write/);
  });
});
