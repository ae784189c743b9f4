/** Downloads checkpoints of the manifest into the Hugging Face cache, in the layout of `huggingface_hub`. */
import { existsSync, statSync } from 'node:fs';
import { copyFile, mkdir, rename, rm, statfs, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { sentenceOf } from '../usage_error.ts';
import { isIndex, shardPaths } from '../weights/cached_checkpoints.ts';
import { repoFolder } from '../weights/hub_cache.ts';
import { describedFile, type ManifestEntry } from '../weights/manifest.ts';
import type { HubClient, RemoteFile, RemoteRepo } from './client.ts';
import { type DownloadOptions, download, incompletePath } from './download.ts';
import { existingParent } from './environment.ts';
import { size } from './transfer_line.ts';

/** The download of one checkpoint. */
export interface PullPlan {
  readonly entry: ManifestEntry;
  readonly remote: RemoteRepo;
  /** The folder of its blobs, snapshots and refs. */
  readonly folder: string;
  /** One file for each entry of the manifest, and the shards. */
  readonly files: readonly RemoteFile[];
  /** Paths of files that are here and broken: they are downloaded again. */
  readonly broken: ReadonlySet<string>;
}

/** Asks the hub which files to download. @throws Error, one sentence, where it refuses or has a file under none of its names */
export async function planPull(
  client: HubClient,
  entry: ManifestEntry,
  cache: string,
  broken: ReadonlySet<string> = new Set(),
): Promise<PullPlan> {
  const names = entry.files.map((file) => [file, ...file.or].map(({ path }) => path));
  const remote = await client.describe(entry, names.flat());
  const files = names.map((any) => {
    const found = any.map((name) => remote.files.find(({ path }) => path === name)).find((file) => file !== undefined);
    if (!found) {
      throw new Error(`${entry.repo} has no ${any.join(' nor ')} at ${entry.revision}; the manifest does not fit it`);
    }
    return checked(entry, found);
  });
  for (const { path } of files.filter((file) => isIndex(file.path))) {
    const shards = shardPaths(path, await client.text(entry.repo, remote.commit, path));
    const found = await client.files(entry.repo, remote.commit, shards);
    const absent = shards.find((shard) => !found.some((file) => file.path === shard));
    if (absent !== undefined) {
      throw new Error(`${entry.repo} has no ${absent}, which ${path} names; its owner has to mend that`);
    }
    files.push(...found.map((file) => checked(entry, file)));
  }
  return { entry, remote, folder: repoFolder(entry.repo, cache), files, broken };
}

/** Checks a file's hash: it becomes part of a path, so it must be a hash, and it must agree with the manifest. */
function checked(entry: ManifestEntry, file: RemoteFile): RemoteFile {
  const where = `${entry.repo}/${file.path}`;
  if (!(file.algorithm === 'sha256' ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/).test(file.hash)) {
    throw new Error(`${where}: the hub gives no hash for it, so it cannot be checked and is not downloaded`);
  }
  const { sha256 = null, bytes = null } = describedFile(entry, file.path) ?? {};
  const differs =
    sha256 !== null && file.algorithm === 'sha256' && sha256 !== file.hash
      ? 'another SHA-256'
      : bytes !== null && bytes !== file.bytes
        ? `${file.bytes} bytes instead of ${bytes}`
        : null;
  if (differs !== null) {
    throw new Error(`${where} is not the file that weights/manifest.json describes (${differs}); it was replaced`);
  }
  return file;
}

/** The number of bytes that are still missing. */
export function bytesLeft(plan: PullPlan): number {
  return plan.files.reduce((sum, file) => sum + file.bytes - bytesHere(plan, file), 0);
}

function bytesHere(plan: PullPlan, file: RemoteFile): number {
  return isComplete(plan, file)
    ? file.bytes
    : Math.min(statSync(incompletePath(blobPath(plan.folder, file)), { throwIfNoEntry: false })?.size ?? 0, file.bytes);
}

/** Returns whether a file's blob is there with all its bytes. */
function isComplete({ folder, broken }: PullPlan, file: RemoteFile): boolean {
  return !broken.has(file.path) && statSync(blobPath(folder, file), { throwIfNoEntry: false })?.size === file.bytes;
}

function blobPath(folder: string, file: RemoteFile): string {
  return join(folder, 'blobs', file.hash);
}

/** Free bytes for this user on the disk of a folder, which need not exist yet. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(existingParent(folder));
  return bavail * bsize;
}

/** Checks that the disk has room for `bytes`. @throws Error where it has not */
export async function checkSpace(cache: string, bytes: number, free = freeBytes): Promise<void> {
  const there = await free(cache);
  if (bytes > there) {
    throw new Error(
      `${size(bytes)} are to be downloaded and the disk of ${cache} has ${size(there)} free; make room, or set HF_HOME to a folder on another disk`,
    );
  }
}

/** Downloads the missing files, then links the snapshot and writes the commit to refs. @throws Error, one sentence */
export async function runPull(
  client: HubClient,
  plan: PullPlan,
  options: DownloadOptions & { readonly onFile: (file: RemoteFile) => void },
): Promise<void> {
  const { folder, remote, entry } = plan;
  for (const file of plan.files) {
    const blob = blobPath(folder, file);
    const path = join(folder, 'snapshots', remote.commit, file.path);
    if (!isComplete(plan, file)) {
      options.onFile(file);
      await Promise.all([blob, path].map((old) => rm(old, { force: true })));
      await download(client, remote, file, blob, options);
    }
    await link(blob, path);
  }
  if (entry.revision !== remote.commit) {
    // Last, so that an older complete snapshot is used until the new one is complete.
    const ref = join(folder, 'refs', entry.revision);
    await mkdir(dirname(ref), { recursive: true });
    await writeFile(`${ref}.incomplete`, remote.commit);
    await rename(`${ref}.incomplete`, ref);
  }
}

/** Makes a relative link, so that the cache can be moved; a copy where the system has no links (Windows without developer mode). */
async function link(blob: string, path: string): Promise<void> {
  if (existsSync(path)) {
    return;
  }
  await mkdir(dirname(path), { recursive: true });
  try {
    await symlink(relative(dirname(path), blob), path);
  } catch (error) {
    if (process.platform !== 'win32') {
      throw new Error(`${path} cannot be linked to its blob (${sentenceOf(error)}); remove what is there`);
    }
    await copyFile(blob, `${path}.incomplete`);
    await rename(`${path}.incomplete`, path);
  }
}
