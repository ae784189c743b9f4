/**
 * A hub on 127.0.0.1 that answers as huggingface.co does, as far as a download asks: the commit of a revision, sizes and
 * hashes of files, and bytes, which for large files come by redirect from another address.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const COMMIT = '89abcdef0123456789abcdef0123456789abcdef';

export interface StandInFile {
  readonly content: Buffer;
  /** Kept as a large file: SHA-256, and a redirect. */
  readonly large: boolean;
}

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly cdn: boolean;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** Changes an answer; true: it was given. */
export type Twist = (seen: Seen, response: ServerResponse) => boolean;

export class StandInHub {
  readonly seen: Seen[] = [];
  readonly repos = new Map<string, Map<string, StandInFile>>();
  /** Asked first, for every request. */
  twist: Twist = () => false;
  gated: false | 'auto' = false;
  /** How many bytes of an answer go out before the connection is cut, one entry for each request of a large file. */
  cuts: number[] = [];
  knowsRanges = true;
  #hub: Server;
  #cdn: Server;

  private constructor() {
    this.#hub = createServer((request, response) => this.#answer(request, response, false));
    this.#cdn = createServer((request, response) => this.#answer(request, response, true));
  }

  static async start(): Promise<StandInHub> {
    const hub = new StandInHub();
    for (const server of [hub.#hub, hub.#cdn]) {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    }
    return hub;
  }

  get endpoint(): string {
    return address(this.#hub);
  }

  async stop(): Promise<void> {
    for (const server of [this.#hub, this.#cdn]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  put(repo: string, path: string, content: Buffer | string, large = false): void {
    const files = this.repos.get(repo) ?? new Map<string, StandInFile>();
    this.repos.set(repo, files.set(path, { content: Buffer.from(content), large }));
  }

  /** Requests for bytes of files. */
  get downloads(): Seen[] {
    return this.seen.filter(({ url, cdn }) => cdn || url.includes('/resolve/'));
  }

  #answer(request: IncomingMessage, response: ServerResponse, cdn: boolean): void {
    const url = decodeURIComponent(request.url ?? '/');
    const { range, authorization } = request.headers;
    const seen: Seen = { method: request.method ?? 'GET', url, cdn, range, authorization };
    this.seen.push(seen);
    if (this.twist(seen, response)) {
      return;
    }
    const info = /^\/api\/models\/([^/]+\/[^/]+)\/revision\//.exec(url);
    const paths = /^\/api\/models\/([^/]+\/[^/]+)\/paths-info\//.exec(url);
    const file = /^\/(?:blob\/)?([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(url);
    const repo = this.repos.get((info ?? paths ?? file)?.[1] ?? '');
    if (!repo) {
      refuse(response, 404, 'RepoNotFound');
      return;
    }
    if (info) {
      json(response, {
        ...{ _id: '1', id: info[1], private: false, downloads: 0, likes: 0, lastModified: '2024-01-01T00:00:00.000Z' },
        ...{ sha: COMMIT, gated: this.gated, cardData: { license: 'other', license_name: 'stand-in-licence' } },
      });
      return;
    }
    if (paths) {
      request.setEncoding('utf8');
      let body = '';
      request.on('data', (chunk: string) => {
        body += chunk;
      });
      request.on('end', () => {
        const asked = (JSON.parse(body) as { paths: string[] }).paths;
        const known = asked.flatMap((path) => {
          const found = repo.get(path);
          return found ? [entryOf(path, found)] : [];
        });
        json(response, known);
      });
      return;
    }
    const found = repo.get(file?.[3] ?? '');
    if (!found) {
      refuse(response, 404, 'EntryNotFound');
      return;
    }
    if (found.large && !cdn) {
      response.writeHead(302, {
        location: `${address(this.#cdn)}${request.url}`,
        'x-linked-size': found.content.length,
        'x-linked-etag': `"${hashOf(found)}"`,
      });
      response.end();
      return;
    }
    this.#bytes(found, range, response, cdn ? this.cuts.shift() : undefined);
  }

  #bytes(file: StandInFile, range: string | undefined, response: ServerResponse, cut: number | undefined): void {
    const from = this.knowsRanges ? Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0) : 0;
    const rest = file.content.subarray(from);
    response.writeHead(range && this.knowsRanges ? 206 : 200, {
      'content-length': rest.length,
      etag: `"${hashOf(file)}"`,
      ...(range && this.knowsRanges
        ? { 'content-range': `bytes ${from}-${file.content.length - 1}/${file.content.length}` }
        : {}),
    });
    if (cut === undefined) {
      response.end(rest);
    } else {
      // fetch drops what it has not handed on yet when a connection ends, so the reader gets time, on a busy machine too.
      response.write(rest.subarray(0, cut), () => setTimeout(() => response.destroy(), 400));
    }
  }
}

/** The hash that names a file's blob. */
export function hashOf({ content, large }: StandInFile): string {
  return large
    ? createHash('sha256').update(content).digest('hex')
    : createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
}

function entryOf(path: string, file: StandInFile) {
  const lfs = { oid: hashOf(file), size: file.content.length, pointerSize: 134 };
  const size = file.content.length;
  // A large file's own oid is that of its pointer in Git.
  return file.large
    ? { type: 'file', path, size, oid: 'f'.repeat(40), lfs }
    : { type: 'file', path, size, oid: hashOf(file) };
}

export function refuse(response: ServerResponse, status: number, code = ''): void {
  response.writeHead(status, { 'content-type': 'application/json', ...(code ? { 'x-error-code': code } : {}) });
  response.end(JSON.stringify({ error: `stand-in: ${status}` }));
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

function address(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
