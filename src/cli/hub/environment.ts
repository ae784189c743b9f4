/** The environment variables of the hub, with the names and meanings of `huggingface_hub`. */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Environment, hubCacheFolder } from '../weights/hub_cache.ts';

export interface HubEnvironment {
  /** The hub's address, without a slash at its end. */
  readonly endpoint: string;
  readonly cache: string;
  readonly token: string | null;
}

/** Reads the variables. @throws Error where HF_HUB_OFFLINE forbids the network, or HF_ENDPOINT is no address */
export function hubEnvironment(env: Environment = process.env, home = homedir()): HubEnvironment {
  if (/^(1|on|yes|true)$/i.test(env.HF_HUB_OFFLINE ?? '')) {
    throw new Error('HF_HUB_OFFLINE is set, so nothing is downloaded; unset it first');
  }
  const endpoint = (env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, '');
  if (!/^https?:$/.test(URL.canParse(endpoint) ? new URL(endpoint).protocol : '')) {
    throw new Error(`HF_ENDPOINT must be an address such as https://huggingface.co, not "${endpoint}"`);
  }
  return { endpoint, cache: hubCacheFolder(env, home), token: tokenOf(env, home) };
}

/** HF_TOKEN, else the token that `hf auth login` wrote to HF_TOKEN_PATH or beside the cache. */
function tokenOf(env: Environment, home: string): string | null {
  const given = (env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN)?.trim();
  if (given) {
    return given;
  }
  const folder = env.HF_HOME || join(env.XDG_CACHE_HOME || join(home, '.cache'), 'huggingface');
  const path = env.HF_TOKEN_PATH || join(folder.startsWith('~/') ? join(home, folder.slice(2)) : folder, 'token');
  return existsSync(path) ? readFileSync(path, 'utf8').trim() || null : null;
}

/** The nearest parent that exists: a cache that does not exist yet will be on its disk. */
export function existingParent(folder: string): string {
  return existsSync(folder) || dirname(folder) === folder ? folder : existingParent(dirname(folder));
}
