/** Whether two folders hold the same weights, without reading all of them; as fullsize.py's `fingerprint`. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';

const SAMPLES = 64;
const BLOCK = 4096;
const ENDS = 65536;

/** sha256 over each weight file's path, size, both ends (the headers) and 64 blocks between, in the order of their paths. */
export function fingerprint(root: string): string {
  const hash = createHash('sha256');
  const paths = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((p) =>
    /\.(safetensors|pt|bin)$/.test(p),
  );
  for (const path of paths.sort(byParts)) {
    const { size } = statSync(join(root, path));
    hash.update(`${path} ${size}\n`);
    const room = Math.max(0, size - BLOCK);
    const samples = Array.from({ length: SAMPLES }, (_, i) => [Math.floor((room * i) / (SAMPLES - 1)), BLOCK] as const);
    const file = openSync(join(root, path), 'r');
    try {
      for (const [start, length] of [[0, ENDS] as const, [Math.max(0, size - ENDS), ENDS] as const, ...samples]) {
        const bytes = new Uint8Array(length);
        hash.update(bytes.subarray(0, readSync(file, bytes, 0, length, start)));
      }
    } finally {
      closeSync(file);
    }
  }
  return hash.digest('hex');
}

/** Python sorts paths folder by folder. */
function byParts(a: string, b: string): number {
  const [x, y] = [a.split('/'), b.split('/')];
  const i = x.findIndex((part, k) => part !== y[k]);
  return (x[i] ?? '') < (y[i] ?? '') ? -1 : 1;
}
