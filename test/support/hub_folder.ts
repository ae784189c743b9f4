/** Puts files into a Hugging Face cache as the hub's libraries would: a blob under its hash, and a link from the snapshot. */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { COMMIT, hashOf } from './stand_in_hub.ts';

/** @param large kept by SHA-256, as the hub keeps large files. @returns the path in the snapshot */
export function putInCache(
  cache: string,
  repo: string,
  path: string,
  content: Uint8Array | string,
  large = true,
): string {
  const bytes = Buffer.from(content);
  const folder = join(cache, `models--${repo.replace('/', '--')}`);
  const blob = join(folder, 'blobs', hashOf({ content: bytes, large }));
  const link = join(folder, 'snapshots', COMMIT, path);
  for (const parent of [dirname(blob), dirname(link), join(folder, 'refs')]) {
    mkdirSync(parent, { recursive: true });
  }
  writeFileSync(join(folder, 'refs', 'main'), COMMIT);
  writeFileSync(blob, bytes);
  rmSync(link, { force: true });
  symlinkSync(relative(dirname(link), blob), link);
  return link;
}
