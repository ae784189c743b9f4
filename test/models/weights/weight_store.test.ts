import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bytesSource } from '../../../src/models/checkpoint/byte_source.ts';
import { openSafetensors } from '../../../src/models/checkpoint/safetensors/open_safetensors.ts';
import {
  type SafetensorsValue,
  writeSafetensors,
} from '../../../src/models/checkpoint/safetensors/write_safetensors.ts';
import { AUTOENCODER_KL_ALIASES } from '../../../src/models/vae/autoencoder_kl.ts';
import type { WeightOptions } from '../../../src/models/weights/weight_inputs.ts';
import { openWeights, WeightStore } from '../../../src/models/weights/weight_store.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { torchArchive } from '../../support/pickles.ts';

const ones = (...shape: number[]): SafetensorsValue => ({
  shape,
  data: new Float32Array(shape.reduce((n, d) => n * d, 1)).fill(1),
});

async function store(tensors: Record<string, SafetensorsValue>, options: WeightOptions = {}): Promise<WeightStore> {
  const file = await openSafetensors(bytesSource('model.safetensors', writeSafetensors(tensors)));
  return new WeightStore(new Graph(), [file], options);
}

describe('WeightStore', () => {
  it('gives tensors by the path of their module', async () => {
    const w = await store({ 'blocks.0.conv.weight': ones(2, 3) }, { name: 'unet' });
    const conv = w.sub('blocks', 0).sub('conv');
    const tensor = conv.get('weight', [2, 3]);
    expect(tensor.node).toMatchObject({ name: 'unet.blocks.0.conv.weight', stage: 'load' });
    expect(conv.get('weight', [2, 3])).toBe(tensor);
    expect([conv.has('weight'), conv.has('bias'), w.hasModule('blocks'), w.hasModule('block')]).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  it('says what is there beside a missing tensor', async () => {
    const w = await store({ 'blocks.0.weight': ones(2), 'blocks.0.bias': ones(2), other: ones(1) });
    expect(() => w.sub('blocks', 0).get('gamma', [2])).toThrow(
      'model.safetensors: there is no tensor blocks.0.gamma (needed with shape [2]); blocks.0 has weight, bias',
    );
  });

  it('names key and both shapes when they differ', async () => {
    const w = await store({ 'conv.weight': ones(2, 3) });
    expect(() => w.sub('conv').get('weight', [3, 2])).toThrow(
      /^model\.safetensors: tensor conv\.weight has shape \[2, 3\] where \[3, 2\] is needed; does config\.json/,
    );
  });

  it('takes a 1×1 convolution for a linear layer, and back', async () => {
    const w = await store({ a: ones(2, 3, 1, 1), b: ones(2, 3) });
    expect(w.get('a', [2, 3]).shape).toEqual([2, 3]);
    expect(w.get('b', [2, 3, 1, 1]).shape).toEqual([2, 3, 1, 1]);
  });

  it('lists what no module asked for, apart from buffers and what is ignored', async () => {
    const tensors = { a: ones(1), b: ones(1), c: ones(1), 'text.position_ids': ones(1), 'encoder.x': ones(1) };
    const w = await store(tensors, { ignore: [/^encoder\./] });
    w.get('a', [1]);
    expect(() => w.assertAllUsed()).toThrow('2 tensors are not used by this model: b, c');
    w.get('b', [1]);
    w.get('c', [1]);
    w.assertAllUsed();
  });

  it('reads old spellings', async () => {
    const w = await store({ 'mid.attentions.0.proj_attn.weight': ones(2, 2) }, { aliases: AUTOENCODER_KL_ALIASES });
    expect(w.sub('mid').sub('attentions', 0, 'to_out', 0).get('weight', [2, 2]).shape).toEqual([2, 2]);
    w.assertAllUsed();
  });

  it('uploads only what was asked for, in the dtype of its input', async () => {
    const written: [string, Float32Array | Uint8Array][] = [];
    const plan = { write: (name: string, data: Float32Array | Uint8Array) => void written.push([name, data]) };
    const w = await store({ a: ones(2), b: ones(2) }, { name: 'm', storage: 'f16' });
    expect(w.get('a', [2]).dtype).toBe('f16');
    await w.upload(plan);
    expect(written).toEqual([['m.a', new Uint8Array([0, 0x3c, 0, 0x3c])]]);
  });
});

describe('openWeights', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weights-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const put = (name: string, content: string | Uint8Array): Promise<void> => writeFile(join(folder, name), content);
  const open = (base: string): Promise<WeightStore> => openWeights(new Graph(), nodeFiles(folder), base);

  it('reads one file', async () => {
    await put('one.safetensors', writeSafetensors({ a: ones(2) }));
    expect((await open('one')).has('a')).toBe(true);
  });

  it('reads shards through their index', async () => {
    await put('two-1.safetensors', writeSafetensors({ a: ones(2) }));
    await put('two-2.safetensors', writeSafetensors({ b: ones(3) }));
    const weight_map = { a: 'two-1.safetensors', b: 'two-2.safetensors' };
    await put('two.safetensors.index.json', JSON.stringify({ weight_map }));
    const w = await open('two');
    w.get('a', [2]);
    expect([...(await w.values())]).toEqual([['weights.a', new Float32Array([1, 1])]]);
    expect(w.get('b', [3]).shape).toEqual([3]);
  });

  it("reads PyTorch's format where there is no safetensors file", async () => {
    await put('pytorch_model.bin', torchArchive({ a: ones(2) }));
    const w = await open('model');
    w.get('a', [2]);
    expect([...(await w.values())]).toEqual([['weights.a', new Float32Array([1, 1])]]);
    await put('model.safetensors', writeSafetensors({ b: ones(2) }));
    expect((await open('model')).has('b')).toBe(true);
    await put('head.pth', torchArchive({ c: ones(2) }));
    expect((await open('head')).has('c')).toBe(true);
  });

  it("reads shards of PyTorch's format through their index", async () => {
    await put('big-1.bin', torchArchive({ a: ones(2) }));
    await put('big-2.bin', torchArchive({ b: ones(3) }));
    await put('big.bin.index.json', JSON.stringify({ weight_map: { a: 'big-1.bin', b: 'big-2.bin' } }));
    const w = await open('big');
    expect([w.get('a', [2]).shape, w.get('b', [3]).shape]).toEqual([[2], [3]]);
  });

  it('says when there are no weights, or a shard is missing, or the index is broken', async () => {
    await expect(open('none')).rejects.toThrow(`${folder}: there is no none.safetensors, nor none.bin; give a folder`);
    await put('gone.safetensors.index.json', '{"weight_map": {"a": "gone-1.safetensors"}}');
    await expect(open('gone')).rejects.toThrow('gone-1.safetensors: there is no such file');
    await put('bad.safetensors.index.json', '{"weight_map": ');
    await expect(open('bad')).rejects.toThrow('bad.safetensors.index.json: is not valid JSON');
  });

  it('says when a tensor is in two shards', async () => {
    await put('twice-1.safetensors', writeSafetensors({ a: ones(2) }));
    await put('twice-2.safetensors', writeSafetensors({ a: ones(2) }));
    const weight_map = { a: 'twice-1.safetensors', b: 'twice-2.safetensors' };
    await put('twice.safetensors.index.json', JSON.stringify({ weight_map }));
    await expect(open('twice')).rejects.toThrow('tensor a is in');
  });
});
