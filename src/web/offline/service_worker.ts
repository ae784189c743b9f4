/**
 * The service worker: the files of the pages come from the browser's cache, and the HTML from the network where there is one. Those of
 * the first page are kept from the start, those of the others when they are first asked for. The page itself keeps the packs of
 * weights (src/platform/browser/packed_files.ts).
 */
import { MODEL_CACHE } from '../../platform/browser/packed_files.ts';

/** Replaced by the build: a hash over all files, their paths, and the paths of those that the first page needs. */
declare const PAGE_VERSION: string;
declare const PAGE_FILES: readonly string[];
declare const FIRST_FILES: readonly string[];

/** The parts of a service worker's events that are used here: TypeScript's DOM types lack them. */
interface WaitingEvent extends Event {
  waitUntil(promise: Promise<unknown>): void;
}
interface AnsweringEvent extends Event {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}
interface WorkerScope {
  readonly location: { readonly href: string };
  readonly clients: { claim(): Promise<void> };
  addEventListener(type: 'install' | 'activate', listener: (event: WaitingEvent) => void): void;
  addEventListener(type: 'fetch', listener: (event: AnsweringEvent) => void): void;
}

const scope = globalThis as unknown as WorkerScope;
const CACHE = `reno-page-${PAGE_VERSION}`;
const base = new URL('./', scope.location.href).href;
const addressOf = (path: string): string => new URL(path, base).href;
const addresses = new Set(PAGE_FILES.map(addressOf));
/** Most of these are in the browser's own cache by now, so they are not fetched again. */
const atStart = [base, ...FIRST_FILES.map(addressOf)];

// A newer build waits until every tab of the older one is closed, because those still load the older one's files.
scope.addEventListener('install', (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(atStart)));
});

scope.addEventListener('activate', (event) => {
  event.waitUntil(removeOlder().then(() => scope.clients.claim()));
});

scope.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || !request.url.startsWith(base)) {
    return;
  }
  if (request.mode === 'navigate') {
    const { origin, pathname } = new URL(request.url);
    event.respondWith(fetchAndKeep(request, origin + pathname).catch(() => kept(origin + pathname)));
  } else if (addresses.has(request.url)) {
    event.respondWith(caches.match(request.url).then((answer) => answer ?? fetchAndKeep(request, request.url)));
  }
});

/** Fetches, and keeps what this build knows under its address. Packs are large, and the page keeps those that it uses. */
async function fetchAndKeep(request: Request, address: string): Promise<Response> {
  const answer = await fetch(request);
  if (answer.ok && addresses.has(address) && !address.endsWith('.bin')) {
    const cache = await caches.open(CACHE);
    // A browser without room keeps nothing, and the page works as before.
    await cache.put(address, answer.clone()).catch(() => {});
  }
  return answer;
}

async function kept(address: string): Promise<Response> {
  const answer = (await caches.match(address)) ?? (await caches.match(base));
  return answer ?? Response.error();
}

/** Removes the files of older builds, and packs that this build does not know. */
async function removeOlder(): Promise<void> {
  for (const name of await caches.keys()) {
    if (name.startsWith('reno-page-') && name !== CACHE) {
      await caches.delete(name);
    }
  }
  const models = await caches.open(MODEL_CACHE);
  for (const { url } of await models.keys()) {
    if (url.startsWith(base) && !addresses.has(url)) {
      await models.delete(url);
    }
  }
}
