/**
 * The Hugging Face cache, read in place: files that `hf download`, transformers or diffusers have downloaded are used as they are.
 * Layout (https://huggingface.co/docs/hub/local-cache): `models--<owner>--<name>/` with `refs/<revision>`, which holds a
 * commit, `snapshots/<commit>/<path>`, and `blobs/`, to which the snapshots link.
 */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The cache's folder: HF_HUB_CACHE, else `hub` in HF_HOME, else in XDG_CACHE_HOME/huggingface, else in ~/.cache/huggingface. */
export function hubCacheFolder(env: Environment = process.env, home = homedir()): string {
  const given = env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE;
  const hf = env.HF_HOME || join(env.XDG_CACHE_HOME || join(home, '.cache'), 'huggingface');
  const folder = given || join(hf, 'hub');
  return folder.startsWith('~/') ? join(home, folder.slice(2)) : folder;
}

export interface HubRepo {
  /** `owner/name` */
  readonly repo: string;
  /** Branch, tag or commit. */
  readonly revision: string;
}

/** Parses `owner/name` or `owner/name@revision`. @returns null where the text is neither */
export function parseHubRepo(text: string): HubRepo | null {
  const match = /^([\w-][\w.-]*\/[\w-][\w.-]*)(?:@([\w-][\w./-]*))?$/.exec(text);
  const [, repo, revision = 'main'] = match ?? [];
  return repo === undefined || revision.includes('..') ? null : { repo, revision };
}

/** The cache's folder of a repository. */
export function repoFolder(repo: string, cache = hubCacheFolder()): string {
  return join(cache, `models--${repo.replace('/', '--')}`);
}

/** The folder of a repository's snapshot. @returns null where the cache has none of this revision */
export function snapshotFolder({ repo, revision }: HubRepo, cache = hubCacheFolder()): string | null {
  const folder = repoFolder(repo, cache);
  const ref = join(folder, 'refs', revision);
  const commit = isFile(ref) ? readFileSync(ref, 'utf8').trim() : revision;
  const snapshot = join(folder, 'snapshots', commit);
  return /^[0-9a-f]{40}$/.test(commit) && existsSync(snapshot) ? snapshot : null;
}

/**
 * The hash in the name of a file's blob: SHA-256 for files that the hub keeps as large files, else Git's SHA-1.
 * @returns null where the file is no link into `blobs`, as on systems without links
 */
export function blobHash(path: string): { readonly algorithm: 'sha256' | 'git'; readonly hex: string } | null {
  const blob = realpathSync(path);
  const hex = basename(blob);
  if (basename(dirname(blob)) !== 'blobs') {
    return null;
  }
  return /^[0-9a-f]{64}$/.test(hex)
    ? { algorithm: 'sha256', hex }
    : /^[0-9a-f]{40}$/.test(hex)
      ? { algorithm: 'git', hex }
      : null;
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}
