/** The seeded full-size folders (commands/fullsize): what is written is what the project's own readers read, and of the right size. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fingerprint } from '../../commands/fullsize/fingerprint.ts';
import { fillValues, keyOf, lookup } from '../../commands/fullsize/seeded_values.ts';
import { spreadOf } from '../../commands/fullsize/spread.ts';
import {
  chunksOf,
  type SeededTensor,
  writeSafetensorsFile,
  writeTorchFile,
} from '../../commands/fullsize/write_tensors.ts';
import { openCheckpoint } from '../../src/models/checkpoint/open_checkpoint.ts';
import { toFloats } from '../../src/models/checkpoint/stored_dtype.ts';
import { nodeFiles } from '../../src/platform/node/node_files.ts';
import { at } from '../../src/tensor/types.ts';

const seeded = (name: string, shape: readonly number[], dtype: 'F16' | 'F32'): SeededTensor => {
  return { name, shape, dtype, seed: `test/${name}` };
};
const TENSORS = [
  seeded('logit_scale', [], 'F16'),
  seeded('visual.conv1.weight', [5, 3, 2, 2], 'F16'),
  seeded('ln_final.bias', [7], 'F16'),
];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'seeded-'));
});
afterAll(() => rm(folder, { recursive: true }));

const valuesOf = (tensor: SeededTensor): Float32Array => {
  const bytes = Uint8Array.from([...chunksOf(tensor)].flatMap((chunk) => [...chunk]));
  return toFloats(bytes, tensor.dtype);
};

describe('seeded weights', () => {
  it.each([
    ['safetensors', (path: string) => writeSafetensorsFile(`${path}.safetensors`, TENSORS)],
    ['a state dict', (path: string) => writeTorchFile(`${path}.pt`, TENSORS)],
    ['a state dict under a key', (path: string) => writeTorchFile(`${path}.pt`, TENSORS, 'state_dict')],
  ])('are read back from %s', async (name, write) => {
    const base = name.replaceAll(' ', '_');
    write(join(folder, base));
    const files = await openCheckpoint(nodeFiles(folder), base);
    const file = at(files, 0);
    expect([...file.entries.keys()].sort()).toEqual(TENSORS.map((t) => t.name).sort());
    for (const tensor of TENSORS) {
      expect(file.entries.get(tensor.name)).toMatchObject({ shape: tensor.shape, dtype: tensor.dtype });
      expect(toFloats(await file.read(tensor.name), 'F16')).toEqual(valuesOf(tensor));
    }
  });

  it('are normal, differ from tensor to tensor, and do not depend on where a chunk begins', () => {
    const draw = (name: string, start: number, n: number): Float32Array => {
      const out = new Float32Array(n);
      fillValues(out, lookup(0, 1, 'F32'), keyOf(name), start);
      return out;
    };
    const n = 100_000;
    const [a, b] = [draw('a', 0, n), draw('b', 0, n)];
    const mean = (f: (x: number, i: number) => number): number => a.reduce((sum, x, i) => sum + f(x, i), 0) / n;
    // Four standard errors.
    expect(Math.abs(mean((x) => x))).toBeLessThan(4 / Math.sqrt(n));
    expect(Math.abs(mean((x) => x * x) - 1)).toBeLessThan(4 * Math.sqrt(2 / n));
    expect(Math.abs(mean((x, i) => x * at(b, i)))).toBeLessThan(4 / Math.sqrt(n));
    expect(Math.abs(mean((x, i) => x * (a[i + 1] ?? 0)))).toBeLessThan(4 / Math.sqrt(n));
    // The fourth moment of a sum of four uniforms: 3 − 1.2/4.
    expect(Math.abs(mean((x) => x ** 4) - 2.7)).toBeLessThan(0.1);
    expect(draw('a', 1000, 500)).toEqual(a.slice(1000, 1500));
  });

  it('are as large as their place asks', () => {
    expect(spreadOf('logit_scale', [])).toEqual({ mean: 4.6052, std: 0 });
    expect(spreadOf('visual.proj', [1280, 1024]).std).toBeCloseTo(1280 ** -0.5);
    expect(spreadOf('up_blocks.0.resnets.0.conv2.weight', [320, 640, 3, 3]).std).toBeCloseTo(0.4 / Math.sqrt(640 * 9));
    expect(spreadOf('encoder.block.0.layer.0.SelfAttention.q.weight', [4096, 4096]).std).toBeCloseTo(1.4 / 8 / 64);
    expect(spreadOf('conv_norm_out.weight', [320])).toEqual({ mean: 1, std: 0.1 });
  });

  it('have a fingerprint that any of their values changes', async () => {
    const before = fingerprint(folder);
    expect(fingerprint(folder)).toBe(before);
    writeSafetensorsFile(join(folder, 'safetensors.safetensors'), [
      ...TENSORS.slice(0, 2),
      seeded('ln_final.weight', [7], 'F16'),
    ]);
    expect(fingerprint(folder)).not.toBe(before);
    expect((await readFile(join(folder, 'a_state_dict.pt'))).subarray(0, 2).toString()).toBe('PK');
  });
});
