/** Large tensors arrive in pieces, and the pieces are the tensor. */
import { describe, expect, it } from 'vitest';
import type { StoredDType } from '../../../src/models/checkpoint/stored_dtype.ts';
import type { TensorFile } from '../../../src/models/checkpoint/tensor_file.ts';
import { inDType, uploadAll } from '../../../src/models/weights/upload.ts';
import type { DType } from '../../../src/tensor/types.ts';

/** Rows of bytes that differ along the tensor. */
function fileOf(dtype: StoredDType, shape: readonly number[], itemBytes: number) {
  const bytes = new Uint8Array(shape.reduce((n, d) => n * d, itemBytes));
  for (let i = 0; i < bytes.length; i++) {
    // No exponent of all ones: NaNs need not keep their bits.
    bytes[i] = ((i * 2654435761) >>> 13) & 0x3f;
  }
  const entry = { name: 't', dtype, shape };
  const rowBytes = bytes.length / (shape[0] ?? 1);
  const asked: number[] = [];
  const file: TensorFile = {
    source: { name: 'file' },
    entries: new Map([['t', entry]]),
    read: async (_, rows) => {
      const part = rows ? bytes.slice(rows.from * rowBytes, (rows.from + rows.count) * rowBytes) : bytes.slice();
      asked.push(part.length);
      return part;
    },
  };
  return { bytes, entry, file, asked };
}

describe('uploadAll', () => {
  it.each<[StoredDType, number, DType, number[]]>([
    ['F16', 2, 'f16', [5, 4_000_001]],
    ['F32', 4, 'f16', [20_000_003]],
    ['BF16', 2, 'f32', [7, 1_000_000]],
  ])('%s in rows of %d-byte values, kept as %s', async (dtype, itemBytes, kept, shape) => {
    const { bytes, entry, file, asked } = fileOf(dtype, shape, itemBytes);
    const arrived = new Uint8Array(shape.reduce((n, d) => n * d, kept === 'f16' ? 2 : 4));
    let end = 0;
    await uploadAll([{ name: 'w', type: { dtype: kept, shape }, file, view: { key: 't', entry } }], {
      write: () => expect.unreachable('it should come in pieces'),
      writePart: (name, part, offset) => {
        expect([name, offset, offset % 4]).toEqual(['w', end, 0]);
        arrived.set(part, offset);
        end += part.length;
      },
    });
    expect(end).toBe(arrived.length);
    expect(Math.max(...asked)).toBeLessThan(bytes.length);
    const whole = inDType(bytes, entry, kept);
    expect(Buffer.compare(arrived, new Uint8Array(whole.buffer))).toBe(0);
  });

  it('brings small and transposed tensors whole, and some rows where only those are wanted', async () => {
    const { bytes, entry, file } = fileOf('F32', [6, 2], 4);
    const whole: number[] = [];
    const view = { key: 't', entry };
    const sink = {
      write: (_: string, data: Float32Array | Uint8Array) => void whole.push(data.byteLength),
      writePart: () => expect.unreachable('it is small'),
    };
    const type = { dtype: 'f32', shape: [6, 2] } as const;
    await uploadAll([{ name: 'w', type, file, view }], sink);
    await uploadAll([{ name: 'w', type, file, view, rows: { from: 2, count: 3 } }], sink);
    expect(whole).toEqual([bytes.length, bytes.length / 2]);
  });
});
