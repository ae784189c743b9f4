/** A static server for the page, on this machine only. */
import { readdirSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { root } from './exec.mjs';
import { buildPage, headersFor, policyOf } from './page.mjs';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.bin': 'application/octet-stream',
};
const COMPRESSED = new Set(['.html', '.js', '.css', '.json', '.svg']);

/** The time of the newest change under src, in milliseconds. */
function newestChange() {
  const names = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' });
  return Math.max(...names.map((name) => statSync(join(root, 'src', name)).mtimeMs));
}

/** The path that a request asks for; one that is wrongly escaped names no file. */
function pathOf(url) {
  try {
    return decodeURIComponent(new URL(url, 'http://localhost').pathname);
  } catch {
    return '';
  }
}

/**
 * Serves files of a map.
 * @param {() => Promise<Map<string, Uint8Array>>} filesNow is asked at each request of a page
 * @param {{ port: number, base?: string }} where base: the path of the page, which begins and ends with `/`
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 * @throws Error with the system's code, such as EADDRINUSE, when the port cannot be had
 */
export async function serveFiles(filesNow, { port, base = '/' }) {
  let files = await filesNow();
  const answer = async (request, response) => {
    // A page of another origin could reach this server by a name of its own that leads to this machine (DNS rebinding).
    if (!/^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(request.headers.host ?? '')) {
      response.writeHead(403, { 'Content-Type': 'text/plain' }).end('This server answers to localhost only.');
      return;
    }
    const path = pathOf(request.url ?? '/');
    const inside = path.startsWith(base) ? path.slice(base.length) : null;
    const name = inside === '' || inside?.endsWith('/') ? `${inside}index.html` : inside;
    if (name?.endsWith('.html')) {
      files = await filesNow();
    }
    const body = name === null ? undefined : files.get(name);
    if (!body || !['GET', 'HEAD'].includes(request.method ?? '')) {
      response
        .writeHead(body ? 405 : 404, { 'Content-Type': 'text/plain' })
        .end(body ? 'GET only' : 'There is no such file.');
      return;
    }
    const type = extname(name);
    const zipped = COMPRESSED.has(type) && /\bgzip\b/.test(String(request.headers['accept-encoding']));
    const bytes = zipped ? gzipSync(body) : body;
    response.writeHead(200, {
      ...headersFor(name, policyOf(new TextDecoder().decode(files.get('index.html')))),
      'Content-Type': TYPES[type] ?? 'application/octet-stream',
      'Content-Length': bytes.length,
      ...(zipped ? { 'Content-Encoding': 'gzip', Vary: 'Accept-Encoding' } : {}),
    });
    response.end(request.method === 'HEAD' ? undefined : bytes);
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => {
      console.error(error.message);
      response.writeHead(500, { 'Content-Type': 'text/plain' }).end(error.message);
    });
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  return { url: `http://127.0.0.1:${server.address().port}${base}`, close };
}

/** Serves the page with fresh code on every load; resolves to its address. @param where as for `serveFiles` */
export function serveWeb(where) {
  let built = 0;
  let files = new Map();
  const fresh = async () => {
    const newest = newestChange();
    if (newest > built) {
      files = await buildPage({ minify: false });
      built = newest;
    }
    return files;
  };
  return serveFiles(fresh, where);
}
