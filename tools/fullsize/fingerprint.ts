/** Which weights a folder holds, without reading all of it: the same number that tools/reference/fullsize.py writes into its fixture. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

const SAMPLES = 64;
const BLOCK = 4096;
const ENDS = 65536;
const WEIGHTS = /\.(safetensors|pt|bin)$/;

/** sha256 over each weight file's size, both ends (the headers) and 64 blocks between, in the order of their paths; hex. */
export function fingerprint(root: string): string {
  const total = createHash('sha256');
  for (const path of weightFiles(root).sort((a, b) => (a < b ? -1 : 1))) {
    const { size } = statSync(path);
    total.update(`${relative(root, path).split(sep).join('/')} ${size}\n`);
    const file = openSync(path, 'r');
    const add = (start: number, length: number): void => {
      const bytes = new Uint8Array(length);
      total.update(bytes.subarray(0, readSync(file, bytes, 0, length, start)));
    };
    add(0, ENDS);
    add(Math.max(0, size - ENDS), ENDS);
    const room = Math.max(0, size - BLOCK);
    for (let i = 0; i < SAMPLES; i++) {
      add(Math.floor((room * i) / (SAMPLES - 1)), BLOCK);
    }
    closeSync(file);
  }
  return total.digest('hex');
}

function weightFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? weightFiles(path) : WEIGHTS.test(path) ? [path] : [];
  });
}
