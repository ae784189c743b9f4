/** How large the process becomes while a checkpoint is opened and uploaded, measured from outside on files full of holes. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type SparseType, sparseArchive, sparseSafetensors } from '../support/sparse_checkpoint.ts';

const work = mkdtempSync(join(tmpdir(), 'memory-'));
afterAll(() => rmSync(work, { recursive: true }));

/** Bytes of the largest tensor in the file. */
const LARGEST = 96 * 2 ** 20;

function measure(make: typeof sparseSafetensors, file: string, dtype: SparseType, storage: string) {
  const folder = mkdtempSync(join(work, 'model-'));
  const count = LARGEST / (dtype === 'F32' ? 4 : 2);
  make(join(folder, file), dtype, [count, 1001, count]);
  const child = join(import.meta.dirname, '../support/upload_memory.ts');
  const run = spawnSync(process.execPath, ['--import', 'tsx', child, folder, storage], { encoding: 'utf8' });
  rmSync(folder, { recursive: true });
  expect(run.stderr).toBe('');
  const width = storage === 'f16' || (storage === 'stored' && dtype === 'F16') ? 2 : 4;
  const { peak, bytes } = JSON.parse(run.stdout) as { peak: number; bytes: number };
  expect(bytes).toBe((2 * count + 1001) * width);
  return peak / LARGEST;
}

describe('opening and uploading never takes twice the largest tensor', () => {
  it.each([
    ['model.safetensors', 'F32', 'stored'],
    ['pytorch_model.bin', 'F16', 'stored'],
    ['pytorch_model.bin', 'BF16', 'f16'],
  ] as const)('%s of %s, kept as %s', { timeout: 60_000 }, (file, dtype, storage) => {
    const make = file.endsWith('.bin') ? sparseArchive : sparseSafetensors;
    // 80 to 160 MB whatever the tensor's size: pieces that are not collected yet.
    expect(measure(make, file, dtype, storage)).toBeLessThan(2);
  });
});
