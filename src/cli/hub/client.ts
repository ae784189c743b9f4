/** What is asked of the Hugging Face hub: which commit a repository stands at, its files with sizes and hashes, and bytes. */
import { sentenceOf } from '../errors.ts';
import type { HubRepo } from '../hub_cache.ts';
import type { HubEnvironment } from './environment.ts';
import { isPassing, refusal } from './refusal.ts';

export interface RemoteFile {
  readonly path: string;
  readonly bytes: number;
  /** SHA-256 of what the hub keeps as a large file, Git's SHA-1 of the rest. Also the name of the cache's blob. */
  readonly algorithm: 'sha256' | 'git';
  readonly hash: string;
}

export interface RemoteRepo {
  readonly repo: string;
  readonly commit: string;
  /** As the repository's page states it; null where it does not. */
  readonly licence: string | null;
  readonly gated: boolean;
  /** Those of the paths asked for that are there. */
  readonly files: readonly RemoteFile[];
}

/** The hub, or the network on the way to it, failed in a way that may pass. */
export class PassingError extends Error {}

export class HubClient {
  readonly #env: HubEnvironment;
  readonly #signal: AbortSignal;

  constructor(env: HubEnvironment, signal: AbortSignal) {
    this.#env = env;
    this.#signal = signal;
  }

  /** @throws HubRefusal, PassingError, or the signal's reason */
  async describe({ repo, revision }: HubRepo, paths: readonly string[]): Promise<RemoteRepo> {
    const { modelInfo } = await hubLibrary();
    const asked = { fetch: this.#fetchFor(repo, null), hubUrl: this.#env.endpoint };
    const info = await modelInfo({ ...asked, name: repo, revision, additionalFields: ['sha', 'cardData'] });
    if (!/^[0-9a-f]{40}$/.test(info.sha)) {
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

  /** Those of `paths` that are there. @throws HubRefusal, PassingError, or the signal's reason */
  async files(repo: string, commit: string, paths: readonly string[]): Promise<RemoteFile[]> {
    const { pathsInfo } = await hubLibrary();
    const asked = { fetch: this.#fetchFor(repo, null), hubUrl: this.#env.endpoint };
    const found = await pathsInfo({ ...asked, repo, revision: commit, paths: [...paths] });
    return found
      .filter(({ type }) => type === 'file')
      .map(({ path, size, lfs, oid }) => ({
        path,
        bytes: lfs?.size ?? size,
        ...(lfs ? { algorithm: 'sha256', hash: lfs.oid } : { algorithm: 'git', hash: oid ?? '' }),
      }));
  }

  /** A small text file. @throws as `open`, or PassingError where it is cut */
  async text(repo: string, commit: string, path: string): Promise<string> {
    const response = await this.open(repo, commit, path, 0, this.#signal);
    return response.text().catch((error) => {
      this.#signal.throwIfAborted();
      throw new PassingError(`${repo}/${path}: the connection was cut (${causeOf(error)}); try again`);
    });
  }

  /**
   * A file's bytes from `from` on. The library's own download keeps nothing of what was cut, so this asks by range.
   * @param signal for this request alone, beside the client's. @throws HubRefusal, PassingError, or the signal's reason
   */
  open(repo: string, commit: string, path: string, from: number, signal: AbortSignal): Promise<Response> {
    const url = `${this.#env.endpoint}/${repo}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;
    const headers: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {};
    // Bytes as they are stored: a length and a range mean nothing over a compressed answer.
    return this.#fetchFor(repo, path)(url, { headers: { ...headers, 'accept-encoding': 'identity' }, signal });
  }

  /** `fetch` with the token (which a redirect to another host does not carry on), and refusals as errors. */
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

/** Loaded when it is needed: no other command is. */
function hubLibrary() {
  return import('@huggingface/hub');
}

/** fetch says "fetch failed"; why, its cause says. */
export function causeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? sentenceOf(error) : sentenceOf(cause) || String((cause as { code?: unknown }).code);
}

/** Node's fetch goes through a proxy only when it is told to. */
function proxyNote(env = process.env): string {
  const proxy = env.HTTPS_PROXY || env.https_proxy;
  return proxy && !env.NODE_USE_ENV_PROXY
    ? '; to go through HTTPS_PROXY, set NODE_USE_ENV_PROXY=1 (Node 22.21, 24)'
    : '';
}

/** The card's `license`, or, where that is `other`, the name it gives. */
function licenceOf(card: unknown): string | null {
  if (typeof card !== 'object' || card === null) {
    return null;
  }
  const { license, license_name: name } = card as Record<string, unknown>;
  const licence = license === 'other' && typeof name === 'string' ? name : license;
  return typeof licence === 'string' ? licence : null;
}
