import { describe, expect, it } from 'vitest';
import { bytesSource } from '../../../src/models/checkpoint/byte_source.ts';
import { openSafetensors } from '../../../src/models/checkpoint/safetensors/open_safetensors.ts';
import { writeSafetensors } from '../../../src/models/checkpoint/safetensors/write_safetensors.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';

const NAME = 'model.safetensors';

/** A file with this header (text, or an object to be JSON) and `data` bytes of zeros. */
function broken(header: string | Record<string, unknown>, data = 0, claimed?: number): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + data);
  new DataView(file.buffer).setBigUint64(0, BigInt(claimed ?? json.length), true);
  file.set(json, 8);
  return file;
}

const tensor = (dtype: unknown, shape: unknown, data_offsets: unknown): Record<string, unknown> => ({
  dtype,
  shape,
  data_offsets,
});

const f32of = (from: number) => tensor('F32', [2], [from, from + 8]);
const open = (bytes: Uint8Array) => openSafetensors(bytesSource(NAME, bytes));

describe('a broken file is one sentence with the file and the tensor', () => {
  const f32 = tensor('F32', [2], [0, 8]);
  const cases: Record<string, [bytes: Uint8Array, message: RegExp]> = {
    empty: [new Uint8Array(0), /0 bytes long, too short/],
    'not safetensors': [new TextEncoder().encode('<!doctype html><html></html>'), /is not a safetensors file/],
    'header longer than the file': [broken({ a: f32 }, 8, 5000), /truncated: its header needs 5008 bytes/],
    'header longer than any file': [broken({ a: f32 }, 8, 2 ** 60), /is not a safetensors file/],
    'not JSON': [broken('{"a": '), /not valid JSON/],
    'not an object': [broken('[1, 2]'), /not a JSON object/],
    'not UTF-8': [broken('{"\u0001').fill(0xff, 9), /not valid JSON/],
    'entry is no object': [broken({ a: 3 }), /tensor a has a header entry that is not an object/],
    'data cut off': [broken({ a: f32 }, 7), /tensor a ends at byte \d+, after the end of the file .* truncated/],
    'unknown dtype': [broken({ a: tensor('F7', [8], [0, 8]) }, 8), /tensor a has the unknown dtype "F7"/],
    'dtype is no text': [broken({ a: tensor(7, [8], [0, 8]) }, 8), /tensor a has the unknown dtype 7/],
    'negative size': [broken({ a: tensor('F32', [-2], [0, 8]) }, 8), /tensor a has the invalid shape \[-2\]/],
    'fractional size': [broken({ a: tensor('F32', [1.5], [0, 6]) }, 8), /invalid shape/],
    'no shape': [broken({ a: { dtype: 'F32', data_offsets: [0, 8] } }, 8), /invalid shape undefined/],
    'absurd size': [broken({ a: tensor('F32', [2 ** 30, 2 ** 30], [0, 8]) }, 8), /tensor a has the invalid shape/],
    'offsets backwards': [broken({ a: tensor('F32', [2], [8, 0]) }, 8), /tensor a has the invalid data_offsets/],
    'one offset': [broken({ a: tensor('F32', [2], [0]) }, 8), /tensor a has the invalid data_offsets/],
    'shape and span differ': [broken({ a: tensor('F32', [3], [0, 8]) }, 8), /which is 12 bytes, but .* span 8/],
    overlap: [broken({ a: f32, b: tensor('F32', [2], [4, 12]) }, 12), /tensor b overlaps tensor a/],
    'a hole': [broken({ a: tensor('F32', [1], [4, 8]) }, 8), /has 4 bytes before tensor a that belong to no tensor/],
    'bytes after the last tensor': [broken({ a: f32 }, 9), /has 1 bytes after its last tensor/],
    'bytes without a tensor': [broken({}, 1), /has 1 bytes after its last tensor/],
    'a size written as a fraction': [
      broken('{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}', 4),
      /invalid shape \["1\.0"\]/,
    ],
    'a size written with an exponent': [
      broken('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4e0]}}', 4),
      /invalid data_offsets \[0,"4e0"\]/,
    ],
    'minus zero': [broken('{"a":{"dtype":"F32","shape":[-0],"data_offsets":[0,0]}}'), /invalid shape \["-0"\]/],
    'a tensor twice': [
      broken(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}',
        4,
      ),
      /the key "a" stands twice/,
    ],
    'metadata that are a list': [broken({ __metadata__: ['x'] }), /__metadata__ that is not an object of strings/],
    'metadata of numbers': [broken({ __metadata__: { x: 1 } }), /__metadata__ that is not an object of strings/],
    'a byte order mark': [broken('\ufeff{}'), /not a JSON object/],
    'a space before the object': [broken(' {}'), /not a JSON object/],
    'a shape in a shape': [broken(`{"a":{"dtype":"F32","shape":${'['.repeat(20_000)}`), /nested deeper than 64 levels/],
    'a rank beyond any': [broken({ a: tensor('F32', new Array(65).fill(1), [0, 4]) }, 4), /65 dimensions/],
    'a name of commands for a terminal': [broken({ 'a\u001b[2J\nb': 3 }), /tensor a\?\[2J\?b has a header entry/],
    'the same bytes twice': [broken({ a: f32, b: f32 }, 8), /tensor b overlaps tensor a/],
  };
  it.each(Object.entries(cases))('%s', async (_, [bytes, message]) => {
    const error = await open(bytes).then(
      () => null,
      (e: Error) => e,
    );
    expect(error?.message).toMatch(message);
    expect(error?.message).toMatch(/^model\.safetensors: [^\n]+$/);
    expect(error?.message).toMatch(/; (download or export it again|give a \.safetensors file)$/);
  });

  it('a type that nothing here reads is an error only where it is wanted', async () => {
    const header = { a: tensor('F8_E4M3', [4], [0, 4]), b: tensor('F4', [8], [4, 8]), c: f32of(8) };
    const file = await open(broken(header, 16));
    expect([...file.entries.keys()]).toEqual(['c']);
    expect(await file.read('c')).toHaveLength(8);
    await expect(file.read('a')).rejects.toThrow('model.safetensors: has a tensor of F8_E4M3 of shape [4], which');
    await expect(open(broken({ b: tensor('F4', [3], [0, 1]) }, 1))).rejects.toThrow('which is 1.5 bytes');
  });

  it('spaces after the header and metadata of null are read, as the reference does', async () => {
    expect((await open(broken(`{"__metadata__":null}  \n`))).entries.size).toBe(0);
  });

  it('at every length of a whole file', async () => {
    const whole = writeSafetensors({ a: { shape: [3], data: new Float32Array([1, 2, 3]) } });
    for (let length = 0; length < whole.length; length++) {
      await expect(open(whole.slice(0, length))).rejects.toThrow(NAME);
    }
    await expect(open(whole)).resolves.toBeDefined();
  });

  it('names what is there when a tensor is not', async () => {
    const file = await open(broken({ a: f32 }, 8));
    await expect(readFloats(file, 'b')).rejects.toThrow('model.safetensors: there is no tensor b; the file has a');
  });
});

describe('what is written is read back', () => {
  it('with names, shapes, values and metadata', async () => {
    const values = new Float32Array([1.5, -2, Number.MIN_VALUE, 3e38, 0, -0]);
    const bytes = writeSafetensors(
      {
        latents: { shape: [1, 2, 3], data: values },
        ids: { shape: [2], data: new Int32Array([-7, 49407]) },
        nothing: { shape: [0, 4], data: new Float32Array(0) },
        scalar: { shape: [], data: new Float32Array([9]) },
      },
      { seed: '3' },
    );
    const file = await open(bytes);
    expect(file.metadata).toEqual({ seed: '3' });
    expect(file.entries.get('latents')).toMatchObject({ dtype: 'F32', shape: [1, 2, 3] });
    expect(await readFloats(file, 'latents')).toEqual(values);
    expect(await readFloats(file, 'ids')).toEqual(new Float32Array([-7, 49407]));
    expect(await file.read('nothing')).toHaveLength(0);
    expect(await readFloats(file, 'scalar')).toEqual(new Float32Array([9]));
  });

  it('refuses a shape that does not fit its data', () => {
    expect(() => writeSafetensors({ a: { shape: [2], data: new Float32Array(3) } })).toThrow('tensor a of shape [2]');
  });
});

describe('every dtype becomes f32', () => {
  const cases: [dtype: string, data: ArrayBufferView, expected: number[]][] = [
    ['F64', new Float64Array([0.1, -2]), [Math.fround(0.1), -2]],
    ['F16', new Uint16Array([0x3c00, 0xc000, 0x0001]), [1, -2, 2 ** -24]],
    ['BF16', new Uint16Array([0x3f80, 0xc000]), [1, -2]],
    ['I64', new BigInt64Array([5n, -6n]), [5, -6]],
    ['U64', new BigUint64Array([5n]), [5]],
    ['I16', new Int16Array([-300]), [-300]],
    ['U16', new Uint16Array([65535]), [65535]],
    ['I8', new Int8Array([-3]), [-3]],
    ['U8', new Uint8Array([200]), [200]],
    ['U32', new Uint32Array([70000]), [70000]],
    ['BOOL', new Uint8Array([1, 0, 5]), [1, 0, 1]],
  ];
  it.each(cases)('%s', async (dtype, data, expected) => {
    const file = broken({ a: tensor(dtype, [expected.length], [0, data.byteLength]) }, data.byteLength);
    file.set(new Uint8Array(data.buffer), file.length - data.byteLength);
    expect([...(await readFloats(await open(file), 'a'))]).toEqual(expected);
  });
});
