/** Tensors that a checkpoint keeps fused or transposed: the values, what is read of the file, and what is refused. */
import { describe, expect, it } from 'vitest';
import { type AliasTable, readView, viewsOf } from '../../../src/models/checkpoint/aliases.ts';
import { type ByteSource, bytesSource } from '../../../src/models/checkpoint/byte_source.ts';
import { openPickle } from '../../../src/models/checkpoint/pickle/open_pickle.ts';
import { openSafetensors } from '../../../src/models/checkpoint/safetensors/open_safetensors.ts';
import { writeSafetensors } from '../../../src/models/checkpoint/safetensors/write_safetensors.ts';
import type { TensorFile } from '../../../src/models/checkpoint/tensor_file.ts';
import { at } from '../../../src/tensor/types.ts';
import { torchArchive } from '../../support/pickles.ts';

const TABLE: AliasTable = [
  [/^old\./, 'new.'],
  [/in_proj_(weight|bias)$/, ['q', 'k', 'v'].map((x, group) => ({ as: `${x}.$1`, rows: { group, of: 3 } }))],
  [/^proj$/, [{ as: 'projection.weight', transposed: true }]],
  [/^(\d+)\./, (_, i) => `layers.${Number(i) - 1}.`],
];
const count = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => i);
const TENSORS = {
  'old.in_proj_weight': { shape: [6, 2], data: count(12) },
  in_proj_bias: { shape: [6], data: count(6) },
  proj: { shape: [2, 3], data: count(6) },
  '3.weight': { shape: [2], data: count(2) },
};

/** Says what was read. */
function watched(bytes: Uint8Array): { source: ByteSource; reads: number[] } {
  const whole = bytesSource('m', bytes);
  const reads: number[] = [];
  const read: ByteSource['read'] = (offset, length) => {
    reads.push(length);
    return whole.read(offset, length);
  };
  return { source: { ...whole, read }, reads };
}

async function floats(file: TensorFile): Promise<Record<string, [shape: readonly number[], values: number[]]>> {
  const result: Record<string, [readonly number[], number[]]> = {};
  for (const entry of file.entries.values()) {
    for (const view of viewsOf(entry, TABLE)) {
      const bytes = await readView(file, view);
      result[view.key] = [view.entry.shape, [...new Float32Array(bytes.slice().buffer)]];
    }
  }
  return result;
}

const EXPECTED = {
  'new.q.weight': [
    [2, 2],
    [0, 1, 2, 3],
  ],
  'new.k.weight': [
    [2, 2],
    [4, 5, 6, 7],
  ],
  'new.v.weight': [
    [2, 2],
    [8, 9, 10, 11],
  ],
  'q.bias': [[2], [0, 1]],
  'k.bias': [[2], [2, 3]],
  'v.bias': [[2], [4, 5]],
  'projection.weight': [
    [3, 2],
    [0, 3, 1, 4, 2, 5],
  ],
  'layers.2.weight': [[2], [0, 1]],
};

describe('parts of stored tensors', () => {
  it('of a safetensors file and of a torch archive', async () => {
    expect(await floats(await openSafetensors(bytesSource('m', writeSafetensors(TENSORS))))).toEqual(EXPECTED);
    expect(await floats(await openPickle(bytesSource('m', torchArchive(TENSORS))))).toEqual(EXPECTED);
  });

  it('are read alone', async () => {
    const { source, reads } = watched(writeSafetensors(TENSORS));
    const file = await openSafetensors(source);
    const [, keys] = viewsOf(at([...file.entries.values()], 0), TABLE);
    reads.length = 0;
    await readView(file, keys ?? expect.fail('no keys'));
    expect(reads).toEqual([16]);
  });

  it('are refused where the shape does not allow them', () => {
    const entry = (name: string, shape: number[]) => ({ name, shape, dtype: 'F32' as const });
    expect(() => viewsOf(entry('in_proj_bias', [7]), TABLE)).toThrow(
      'tensor in_proj_bias of shape [7] cannot be split into 3 equal groups of rows',
    );
    expect(() => viewsOf(entry('proj', [7]), TABLE)).toThrow(
      'tensor proj of shape [7] must be a matrix to be transposed',
    );
  });
});
