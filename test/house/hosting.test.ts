/** The page as static files: what docs/hosting.md promises of them, and the server of `npm run web`. */
import { spawnSync } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
// @ts-expect-error plain JavaScript, because it also runs before anything is installed
import { buildPage } from '../../tools/lib/page.mjs';
// @ts-expect-error plain JavaScript, because it also runs before anything is installed
import { serveFiles } from '../../tools/lib/serve.mjs';

const root = resolve(import.meta.dirname, '../..');

describe('the page as files', () => {
  let files: ReadonlyMap<string, Uint8Array>;
  const text = (path: string): string => new TextDecoder().decode(files.get(path));
  const named = (pattern: RegExp): string[] => [...files.keys()].filter((path) => pattern.test(path));
  beforeAll(async () => {
    files = await buildPage({ minify: true });
  }, 60_000);

  it('name each other by relative paths, so any folder of any host will do', () => {
    for (const page of named(/\.html$/)) {
      const links = [...text(page).matchAll(/\b(?:src|href)="([^"#]+)"/g)].map(([, to = '']) => to);
      expect(links.length).toBeGreaterThan(1);
      for (const to of links.filter((to) => !/^(https?:|#)/.test(to))) {
        expect(to).not.toMatch(/^\//);
        const path = new URL(to, `http://host/${page}`).pathname.slice(1);
        expect(files.has(path === '' ? 'index.html' : path), `${page} names ${to}`).toBe(true);
      }
    }
  });

  it('have a hash in their names, all but the pages and the service worker', () => {
    const plain = [...files.keys()].filter((path) => !/^assets\/.+-[0-9a-zA-Z]{8,10}\.\w+$/.test(path));
    expect(plain.filter((path) => !path.endsWith('.html')).sort()).toEqual(['_headers', 'sw.js']);
  });

  it('are kept by the service worker from the start where the first page needs them, and no others', () => {
    const lists = [...text('sw.js').matchAll(/\["assets[^\]]*\]/g)].map(([list]) => JSON.parse(list) as string[]);
    const [first = []] = lists.sort((a, b) => a.length - b.length);
    const kept = first.map((path) => path.replace(/^assets\/(.+)-\w+(\.\w+)$/, '$1$2'));
    expect(kept).toEqual(
      expect.arrayContaining(['main.js', 'later.js', 'worker.js', 'style.css', 'run.json', 'run.png']),
    );
    expect(kept.filter((name) => name.startsWith('chunk'))).toHaveLength(1);
    expect(kept.length).toBeLessThan(14);
    expect(first.filter((path) => !files.has(path) || /bin$|html$/.test(path))).toEqual([]);
    // Everything that is written is asked for by something.
    const names = named(/^assets\//).map((path) => path.replace('assets/', ''));
    const all = named(/\.(js|html|json)$/)
      .map((path) => (path === 'sw.js' ? '' : text(path)))
      .join();
    expect(names.filter((name) => !all.includes(name))).toEqual([]);
  });

  it('hold the weights in two packs, in which every file of weights/pocket is found', () => {
    expect(named(/\.bin$/)).toHaveLength(2);
    const [list = ''] = named(/models-.*\.json$/);
    const { packs, files: entries } = JSON.parse(text(list)) as {
      packs: Record<string, { file: string; bytes: number }>;
      files: Record<string, [string, number, number]>;
    };
    const [pack, start, length] = entries['reno.json'] ?? ['', 0, 0];
    const bytes = files.get(`assets/${packs[pack]?.file}`) ?? new Uint8Array();
    expect(bytes.length).toBe(packs[pack]?.bytes);
    expect(JSON.parse(new TextDecoder().decode(bytes.subarray(start, start + length)))).toHaveProperty('rewards');
    expect(
      Object.entries(entries)
        .filter(([name]) => name.startsWith('evaluator/'))
        .map(([, [of]]) => of),
    ).toContain('evaluator');
  });

  it('have a policy without inline scripts or styles, which the files themselves keep', () => {
    for (const page of named(/\.html$/)) {
      const policy = /Content-Security-Policy" content="([^"]+)"/.exec(text(page))?.[1] ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("script-src 'self'");
      expect(policy).not.toMatch(/unsafe|data:| \*/);
      expect(text(page)).not.toMatch(/<style|<script(?![^>]*\bsrc=)|\sstyle="|\son\w+="/);
    }
    expect(text('_headers')).toContain("frame-ancestors 'none'");
  });

  it('are served with these headers, under a path of the host', async () => {
    const server = await serveFiles(async () => files, { port: 0, base: '/x/y/' });
    try {
      const page = await fetch(server.url);
      expect(page.status).toBe(200);
      expect(page.headers.get('Content-Security-Policy')).toContain("script-src 'self'");
      expect(page.headers.get('Cache-Control')).toBe('no-cache');
      const [script = ''] = named(/main-.*\.js$/);
      const answer = await fetch(new URL(script, server.url));
      expect(answer.headers.get('Cache-Control')).toContain('immutable');
      expect(answer.headers.get('Content-Type')).toContain('text/javascript');
      for (const path of ['/', '/x/', '/x/y/none', '/x/y/%2e%2e/package.json', '/x/y/%E0']) {
        expect((await fetch(new URL(path, server.url))).status, path).toBe(404);
      }
      expect((await fetch(server.url, { method: 'POST' })).status).toBe(405);
    } finally {
      await server.close();
    }
  });
});

describe('npm run web', () => {
  let taken: Server;
  beforeAll(async () => {
    taken = createServer();
    await new Promise<void>((ready) => taken.listen(0, '127.0.0.1', ready));
  });
  afterAll(() => new Promise((closed) => taken.close(closed)));
  const web = (port: string): { readonly status: number | null; readonly stderr: string } =>
    spawnSync(process.execPath, ['tools/web.mjs', port], { cwd: root, encoding: 'utf8', timeout: 60_000 });

  it('says in one sentence that a port is taken, or no port at all', { timeout: 120_000 }, () => {
    const { port } = taken.address() as AddressInfo;
    const refused = web(String(port));
    expect(refused.status).toBe(1);
    expect(refused.stderr.trim()).toBe(
      `Port ${port} cannot be opened: another program uses it. Give another one: npm run web -- ${port + 1}`,
    );
    expect(web('eighty').stderr.trim()).toBe(
      'eighty is no port: give a whole number from 0 to 65535 (0 takes any free port).',
    );
  });
});
