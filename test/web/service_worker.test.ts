/** The service worker without a browser: what it keeps from the start, what when it is asked for, and what it answers without network. */
import { afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';

const HOST = 'https://host/a/';
type Listener = (event: object) => void;

const listeners = new Map<string, Listener>();
let caches: Map<string, Map<string, string>>;
/** The addresses that were fetched; null: there is no network. */
let fetched: string[] | null;

/** The part of Cache that the service worker uses. */
function cacheOf(entries: Map<string, string>): object {
  const put = async (address: string, answer: Response): Promise<void> => {
    entries.set(address, await answer.text());
  };
  return {
    put,
    addAll: async (all: string[]) => {
      for (const address of all) {
        await put(address, await fetch(address));
      }
    },
    keys: async () => [...entries.keys()].map((url) => ({ url })),
    delete: async (url: string) => entries.delete(url),
  };
}

// The script runs once, as in a browser; what it uses later is new for each test.
beforeAll(async () => {
  vi.stubGlobal('addEventListener', (kind: string, listener: Listener) => listeners.set(kind, listener));
  vi.stubGlobal('location', { href: `${HOST}sw.js` });
  vi.stubGlobal('PAGE_VERSION', 'v2');
  vi.stubGlobal('PAGE_FILES', [
    'index.html',
    'kernels.html',
    'assets/main-1.js',
    'assets/kernels-1.js',
    'assets/pack-1.bin',
  ]);
  vi.stubGlobal('FIRST_FILES', ['assets/main-1.js']);
  await import('../../src/web/offline/service_worker.ts');
  vi.unstubAllGlobals();
});
beforeEach(() => {
  caches = new Map();
  fetched = [];
  const open = (name: string): Map<string, string> => {
    const found = caches.get(name) ?? new Map<string, string>();
    caches.set(name, found);
    return found;
  };
  vi.stubGlobal('clients', { claim: async () => {} });
  vi.stubGlobal('caches', {
    open: async (name: string) => cacheOf(open(name)),
    keys: async () => [...caches.keys()],
    delete: async (name: string) => caches.delete(name),
    match: async (address: string) => {
      const found = [...caches.values()].find((entries) => entries.has(address))?.get(address);
      return found === undefined ? undefined : new Response(`kept ${found}`);
    },
  });
  vi.stubGlobal('fetch', async (request: string | { url: string }) => {
    const address = typeof request === 'string' ? request : request.url;
    if (!fetched) {
      throw new TypeError('Failed to fetch');
    }
    fetched.push(address.slice(HOST.length));
    return new Response(address.slice(HOST.length));
  });
});
afterEach(() => void vi.unstubAllGlobals());

async function lived(kind: 'install' | 'activate'): Promise<void> {
  let done: Promise<unknown> = Promise.resolve();
  listeners.get(kind)?.({ waitUntil: (work: Promise<unknown>) => (done = work) });
  await done;
}

/** Returns the text that the service worker answers; null where it leaves the request to the browser. */
async function answer(path: string, mode = 'no-cors'): Promise<string | null> {
  let given: Promise<Response> | null = null;
  listeners.get('fetch')?.({
    request: { method: 'GET', url: HOST + path, mode },
    respondWith: (promise: Promise<Response>) => (given = promise),
  });
  return given === null ? null : await (await (given as Promise<Response>)).text();
}

it('keeps the first page from the start and nothing else, and removes older builds', async () => {
  caches.set('reno-page-v1', new Map([[`${HOST}assets/main-0.js`, 'old']]));
  await lived('install');
  expect(fetched).toEqual(['', 'assets/main-1.js']);
  await lived('activate');
  expect(caches.has('reno-page-v1')).toBe(false);
  expect(await answer('assets/main-1.js')).toBe('kept assets/main-1.js');
  expect(fetched).toHaveLength(2);
});

it('keeps the files of other pages when they are first asked for, but no packs', async () => {
  expect(await answer('kernels.html', 'navigate')).toBe('kernels.html');
  expect(await answer('assets/kernels-1.js')).toBe('assets/kernels-1.js');
  expect(await answer('assets/pack-1.bin')).toBe('assets/pack-1.bin');
  expect(await answer('assets/unknown.js')).toBeNull();
  fetched = null;
  expect(await answer('kernels.html?op=add', 'navigate')).toBe('kept kernels.html');
  expect(await answer('assets/kernels-1.js')).toBe('kept assets/kernels-1.js');
  await expect(answer('assets/pack-1.bin')).rejects.toThrow('Failed to fetch');
});

it('answers without network with the first page where it has not seen the one that is asked for', async () => {
  await lived('install');
  fetched = null;
  expect(await answer('?prompt=a+cat', 'navigate')).toBe('kept ');
  expect(await answer('profile.html', 'navigate')).toBe('kept ');
});

it('asks for the HTML anew where there is a network, so a new build is seen', async () => {
  await lived('install');
  await answer('', 'navigate');
  expect(fetched).toEqual(['', 'assets/main-1.js', '']);
});
