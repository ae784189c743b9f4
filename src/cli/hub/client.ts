/** A client of the Hugging Face hub: a repository's commit, its files with sizes and hashes, and their bytes. */
import { sentenceOf } from '../usage_error.ts';
import type { HubRepo } from '../weights/hub_cache.ts';
import type { HubEnvironment } from './environment.ts';
import { HubRefusal, isPassing, refusal } from './refusal.ts';

export interface RemoteFile {
  readonly path: string;
  readonly bytes: number;
  /** SHA-256 for files that the hub keeps as large files, Git's SHA-1 for the rest. Also the name of the cache's blob. */
  readonly algorithm: 'sha256' | 'git';
  readonly hash: string;
}

export interface RemoteRepo {
  readonly repo: string;
  readonly commit: string;
  /** The licence that the repository's page states; null where it states none. */
  readonly licence: string | null;
  readonly gated: boolean;
  /** The requested files that exist. */
  readonly files: readonly RemoteFile[];
}

/** A failure of the hub, or of the network on the way to it, that may not last: a second try can help. */
export class PassingError extends Error {}

export class HubClient {
  readonly #env: HubEnvironment;
  readonly #signal: AbortSignal;
  readonly #patience: number;

  /** @param patience milliseconds after which a small answer must be whole; bytes of files have their own limit (`download`) */
  constructor(env: HubEnvironment, signal: AbortSignal, patience = 60_000) {
    this.#env = env;
    this.#signal = signal;
    this.#patience = patience;
  }

  /** Asks for a repository's commit and the files at `paths`. @throws HubRefusal, PassingError, or the signal's reason */
  async describe({ repo, revision }: HubRepo, paths: readonly string[]): Promise<RemoteRepo> {
    const { modelInfo } = await hubLibrary();
    const info = await this.#answer(repo, (asked) =>
      modelInfo({ ...asked, name: repo, revision, additionalFields: ['sha', 'cardData'] }),
    );
    if (typeof info !== 'object' || info === null || !/^[0-9a-f]{40}$/.test(info.sha)) {
      throw new Error(`${repo}: ${this.#env.endpoint} names no commit for revision ${revision}`);
    }
    return {
      repo,
      commit: info.sha,
      licence: licenceOf(info.cardData),
      gated: info.gated !== false,
      files: await this.files(repo, info.sha, paths),
    };
  }

  /** The files of `paths` that exist. @throws HubRefusal, PassingError, or the signal's reason */
  async files(repo: string, commit: string, paths: readonly string[]): Promise<RemoteFile[]> {
    const { pathsInfo } = await hubLibrary();
    const found = await this.#answer(repo, (asked) =>
      pathsInfo({ ...asked, repo, revision: commit, paths: [...paths] }),
    );
    if (!Array.isArray(found) || !found.every(isEntry)) {
      throw new Error(
        `${repo}: ${this.#env.endpoint} does not answer as a hub does (no list of files); is HF_ENDPOINT right?`,
      );
    }
    return found
      .filter(({ type }) => type === 'file')
      .map(({ path, size, lfs, oid }) => ({
        path,
        bytes: lfs?.size ?? size,
        ...(lfs ? { algorithm: 'sha256', hash: lfs.oid } : { algorithm: 'git', hash: oid ?? '' }),
      }));
  }

  /** Reads a small text file. @throws as `open`, or PassingError where the connection is cut */
  async text(repo: string, commit: string, path: string): Promise<string> {
    return this.#timed(async (signal) => {
      const response = await this.open(repo, commit, path, 0, signal);
      return response.text().catch((error) => {
        signal.throwIfAborted();
        throw new PassingError(`${repo}/${path}: the connection was cut (${causeOf(error)}); try again`);
      });
    });
  }

  /** Asks the hub's library, whose answers are JSON. @throws Error for an answer that is none */
  #answer<T>(repo: string, ask: (asked: { fetch: typeof fetch; hubUrl: string }) => Promise<T>): Promise<T> {
    const { endpoint } = this.#env;
    return this.#timed(async (signal) => {
      const own = this.#fetchFor(repo, null);
      const timed: typeof fetch = (input, init) => own(input, { ...init, signal });
      try {
        return await ask({ fetch: timed, hubUrl: endpoint });
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof SyntaxError) {
          throw new Error(`${repo}: ${pageInstead(endpoint)}`);
        }
        if (error instanceof PassingError || error instanceof HubRefusal) {
          throw error;
        }
        // fetch gives an error of a connection a cause; the library has none for an answer that it does not understand.
        throw error instanceof Error && error.cause !== undefined
          ? new PassingError(`${repo}: the connection was cut (${causeOf(error)}); try again`)
          : new Error(
              `${repo}: ${endpoint} does not answer as a hub does (${sentenceOf(error)}); is HF_ENDPOINT right?`,
            );
      }
    });
  }

  /** Runs requests with a time limit. @throws PassingError where they take longer */
  async #timed<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const limit = AbortSignal.timeout(this.#patience);
    try {
      return await run(AbortSignal.any([limit, this.#signal]));
    } catch (error) {
      this.#signal.throwIfAborted();
      if (limit.aborted) {
        const seconds = this.#patience / 1000;
        throw new PassingError(
          `${this.#env.endpoint} gave no answer for ${seconds} s; check the network, or try again later`,
        );
      }
      throw error;
    }
  }

  /**
   * Requests a file's bytes from `from` on, by range: the library's own download keeps nothing after a cut.
   * @param signal ends this request alone; the client's signal ends all. @throws HubRefusal, PassingError, or the signal's reason
   */
  open(repo: string, commit: string, path: string, from: number, signal: AbortSignal): Promise<Response> {
    const url = `${this.#env.endpoint}/${repo}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;
    const headers: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {};
    // Without compression: in a compressed answer, length and range do not count the file's bytes.
    return this.#fetchFor(repo, path)(url, { headers: { ...headers, 'accept-encoding': 'identity' }, signal });
  }

  /** A `fetch` that sends the token (a redirect to another host drops it) and throws refusals as errors. */
  #fetchFor(repo: string, path: string | null): typeof fetch {
    const { endpoint, token } = this.#env;
    return async (input, init = {}) => {
      const signal = init.signal ? AbortSignal.any([this.#signal, init.signal]) : this.#signal;
      const headers = new Headers(init.headers);
      headers.set('user-agent', 'reno-webgpu');
      if (token) {
        headers.set('authorization', `Bearer ${token}`);
      }
      let response: Response;
      try {
        response = await fetch(input, { ...init, headers, signal });
      } catch (error) {
        signal.throwIfAborted();
        throw new PassingError(`${endpoint} cannot be reached (${causeOf(error)}); check the network${proxyNote()}`);
      }
      if (response.ok) {
        return response;
      }
      await response.body?.cancel();
      const refused = refusal(response, { endpoint, repo, path, hasToken: token !== null });
      throw isPassing(response.status) ? new PassingError(refused.message) : refused;
    };
  }
}

/** Says what a page in place of data means, as the rest of a sentence. Proxies, log-ins and captive portals send such pages. */
export function pageInstead(address: string): string {
  return `${address} answers with a page and not with data, as a proxy or a network's log-in does; open it in a browser to see, or set HF_ENDPOINT`;
}

function isEntry(value: unknown): boolean {
  const { path, size, lfs } = Object(value);
  const isSize = (n: unknown): boolean => Number.isSafeInteger(n) && (n as number) >= 0;
  return (
    typeof path === 'string' &&
    isSize(size) &&
    (lfs === undefined || (typeof lfs?.oid === 'string' && isSize(lfs.size)))
  );
}

/** Loads the library when it is first needed: most commands never do. */
function hubLibrary() {
  return import('@huggingface/hub');
}

/** The reason for a failed fetch: its message is only "fetch failed", its cause says why. */
export function causeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? sentenceOf(error) : sentenceOf(cause) || String((cause as { code?: unknown }).code);
}

/** Advice where a proxy is set, which Node's fetch uses only on request. */
function proxyNote(env = process.env): string {
  const proxy = env.HTTPS_PROXY || env.https_proxy;
  return proxy && !env.NODE_USE_ENV_PROXY
    ? '; to go through HTTPS_PROXY, set NODE_USE_ENV_PROXY=1 (Node 22.21, 24)'
    : '';
}

/** The `license` of a model card, or its `license_name` where the licence is `other`. */
function licenceOf(card: unknown): string | null {
  if (typeof card !== 'object' || card === null) {
    return null;
  }
  const { license, license_name: name } = card as Record<string, unknown>;
  const licence = license === 'other' && typeof name === 'string' ? name : license;
  return typeof licence === 'string' ? licence : null;
}
