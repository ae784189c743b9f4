/** PyTorch checkpoints: what torch wrote is read to the bit, and what no state dict needs is refused in one sentence. */
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { type ByteSource, bytesSource } from '../../../src/models/checkpoint/byte_source.ts';
import type { ModelFiles } from '../../../src/models/checkpoint/files.ts';
import { openCheckpoint } from '../../../src/models/checkpoint/open_checkpoint.ts';
import { readTensor } from '../../../src/models/checkpoint/pickle/gather_elements.ts';
import { openPickle } from '../../../src/models/checkpoint/pickle/open_pickle.ts';
import { PickleStorage, PickleTensor } from '../../../src/models/checkpoint/pickle/values.ts';
import { openSafetensors } from '../../../src/models/checkpoint/safetensors/open_safetensors.ts';
import { writeSafetensors } from '../../../src/models/checkpoint/safetensors/write_safetensors.ts';
import type { TensorFile } from '../../../src/models/checkpoint/tensor_file.ts';
import { WeightStore } from '../../../src/models/weights/weight_store.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { archiveOf, bytesOf, global, type Part, pickleOf, tensor, text, u32 } from '../../support/pickles.ts';

const FOLDER = new URL('../../../parity/checkpoints/', import.meta.url);
const fixture = (name: string): Promise<Buffer> => readFile(new URL(name, FOLDER));
const open = (bytes: Uint8Array): Promise<TensorFile> => openPickle(bytesSource('m.pt', bytes));

/** A source that remembers its reads. */
function watched(bytes: Uint8Array): ByteSource & { reads: [offset: number, length: number][] } {
  const reads: [number, number][] = [];
  const source = bytesSource('m.pt', bytes);
  return {
    ...source,
    reads,
    read: (offset, length) => {
      reads.push([offset, length]);
      return source.read(offset, length);
    },
  };
}

const four = (...values: number[]): Uint8Array => new Uint8Array(new Float32Array(values).buffer);

describe('a checkpoint that torch wrote', () => {
  it.each(['zip.pt', 'legacy.pt', 'protocol4.pt', 'zip64.pt'])('%s: names, dtypes, shapes and bits', async (name) => {
    const expected = await openSafetensors(bytesSource('expected', await fixture('expected.safetensors')));
    const file = await open(await fixture(name));
    expect([...file.entries.keys()].sort()).toEqual([...expected.entries.keys()].sort());
    expect(expected.entries.size).toBe(22);
    for (const [key, { dtype, shape }] of expected.entries) {
      expect(file.entries.get(key)).toEqual({ name: key, dtype, shape });
      expect([key, await file.read(key)]).toEqual([key, await expected.read(key)]);
    }
  });

  it('zip64.pt does keep its places where large archives do', async () => {
    const bytes = await fixture('zip64.pt');
    const records = ['504b0606', '504b0607', '504b0102'].map((signature) =>
      bytes.indexOf(Buffer.from(signature, 'hex')),
    );
    expect(records.every((at) => at > 0)).toBe(true);
    expect(bytes.readUInt32LE((records[2] ?? 0) + 24)).toBe(0xffffffff);
  });

  it.each(['zip.pt', 'legacy.pt'])('%s: opening reads descriptions, a tensor its own bytes', async (name) => {
    const small = await fixture(name);
    const source = watched(small);
    const file = await openPickle(source);
    source.reads.length = 0;
    await file.read('view.rows');
    const lengths = source.reads.map(([, length]) => length);
    expect(lengths.sort((a, b) => a - b)).toEqual(name === 'zip.pt' ? [41, 80] : [8, 80]);
  });

  it('a large storage is not read when the file is opened', async () => {
    const bytes = archiveOf(pickleOf(tensor({ count: 2 ** 20, shape: [2 ** 20], strides: [1] })), {
      0: new Uint8Array(2 ** 22),
    });
    const source = watched(bytes);
    const file = await openPickle(source);
    expect(source.reads.reduce((n, [, length]) => n + length, 0)).toBeLessThan(70_000);
    expect((await file.read('w')).length).toBe(2 ** 22);
    expect(Math.max(...source.reads.map(([, length]) => length))).toBe(2 ** 22);
  });

  it('names the tensors there are when another is asked for', async () => {
    const file = await open(await fixture('zip.pt'));
    await expect(file.read('gone')).rejects.toThrow('m.pt: there is no tensor gone; the file has float.float32, ');
  });
});

describe('readTensor', () => {
  /** A storage whose element i is i, as u32. */
  function counting(count: number, shape: number[], strides: number[], offset = 0) {
    const lengths: number[] = [];
    const view = new PickleTensor(
      new PickleStorage('0', { dtype: 'I32', itemBytes: 4 }, count, 0),
      'I32',
      offset,
      shape,
      strides,
    );
    const values = readTensor(view, 4, async (start, length) => {
      lengths.push(length);
      expect(start + length).toBeLessThanOrEqual(count * 4);
      return new Uint8Array(Uint32Array.from({ length: length / 4 }, (_, i) => start / 4 + i).buffer);
    });
    return values.then((bytes) => ({ values: new Uint32Array(bytes.buffer), lengths }));
  }

  it('reads views with gaps far apart in pieces, so that memory stays that of the tensor', async () => {
    // Three columns of a matrix of 16 MiB: 12 KiB, where rows of 16 KiB lie between.
    const { values, lengths } = await counting(2 ** 22, [1024, 3], [4096, 1], 5);
    expect(lengths).toEqual(new Array(1024).fill(12));
    expect([...values.slice(0, 4), values.at(-1)]).toEqual([5, 6, 7, 4101, 1023 * 4096 + 7]);
  });

  it('reads a permuted tensor in one piece', async () => {
    const { values, lengths } = await counting(2 ** 20, [2, 1024, 512], [1, 1024, 2]);
    expect(lengths).toEqual([2 ** 22]);
    expect([values[0], values[1], values[512], values[2 ** 19]]).toEqual([0, 2, 1024, 1]);
  });

  it('reads a dense tensor with axes of one element, whatever their strides', async () => {
    const { values, lengths } = await counting(6, [1, 2, 1, 3], [999, 3, 77, 1]);
    expect(lengths).toEqual([24]);
    expect([...values]).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('repeats the values of an expanded tensor, which has strides of 0', async () => {
    expect([...(await counting(1, [4], [0])).values]).toEqual([0, 0, 0, 0]);
    expect([...(await counting(4, [2, 3], [0, 1], 1)).values]).toEqual([1, 2, 3, 1, 2, 3]);
    expect([...(await counting(2, [2, 3], [1, 0])).values]).toEqual([0, 0, 0, 1, 1, 1]);
  });
});

describe('the old layout in every protocol that torch reads', () => {
  const magic = '119547037146038801333356L\n.';
  const storage = [6, 0, 0, 0, 0, 0, 0, 0, ...four(0, 1, 2, 3, 4, 5)];
  /** A file whose pickles begin with `start`; `magicAs` is the magic number's pickle. */
  const legacy = (start: Part, magicAs: Part, string: (value: string) => Part, machine: Part, w: Part): Uint8Array =>
    bytesOf(
      [magicAs],
      [start, 'M', 0xe9, 3, '.'],
      [start, '}', string('little_endian'), machine, 's.'],
      [start, '}', string('w'), w, 's.'],
      [start, ']', string('0'), 'a.'],
      storage,
    );
  const w = tensor({ count: 6, shape: [2, 3], strides: [3, 1], legacy: true });
  const short = (value: string): Part => [0x8c, value.length, value];
  const frame: Part = [0x95, 0, 0, 0, 0, 0, 0, 0, 0];
  const long1 = [0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'];

  it.each<[string, Uint8Array]>([
    ['1', legacy([], ['L', magic], text, 'I01\n', w)],
    ['2', legacy([0x80, 2], [0x80, 2, long1], text, 0x88, w)],
    ['3', legacy([0x80, 3], [0x80, 3, long1], text, 0x88, w)],
    ['4', legacy([0x80, 4, frame], [0x80, 4, frame, long1], short, 0x88, w)],
    ['5', legacy([0x80, 5, frame], [0x80, 5, frame, long1], short, 0x88, w)],
  ])('%s', async (_, bytes) => {
    const file = await open(bytes);
    expect(file.entries.get('w')).toEqual({ name: 'w', dtype: 'F32', shape: [2, 3] });
    expect(await file.read('w')).toEqual(new Uint8Array(four(0, 1, 2, 3, 4, 5)));
  });

  it('0 has no storages, as torch itself finds', async () => {
    const pid = "P('storage', <class 'torch.FloatStorage'>, '0', 'cpu', 6, None)\n";
    const unicode = (value: string): Part => ['V', value, '\np1\n'];
    const machine = ['(dp0\n', unicode('little_endian'), 'I01\ns.'];
    const object = ['(dp0\n', unicode('w'), 'ctorch._utils\n_rebuild_tensor_v2\n(', pid, '.'];
    await expect(open(bytesOf('L', magic, 'I1001\n.', machine, object))).rejects.toThrow(
      'm.pt: is a pickle of protocol 0 with tensors, which PyTorch cannot read either',
    );
  });
});

describe('what torch reads beside plain tensors', () => {
  const one = tensor({ count: 1, shape: [1], strides: [1] });
  const entries = async (...items: Part[]): Promise<TensorFile> =>
    open(archiveOf(bytesOf(0x80, 2, '}(', ...items, 'u.'), { 0: four(7), 1: four(1, 2, 3, 4) }));
  const values = async (file: TensorFile, key: string): Promise<number[]> => [
    ...new Float32Array((await file.read(key)).buffer),
  ];

  it('parameters with state are their tensors', async () => {
    const state: Part = ['}', text('tag'), 'K', 1, 's'];
    const file = await entries(
      text('p'),
      [global('torch._utils', '_rebuild_parameter_with_state'), '(', one, 0x88, '}', state, 'tR'],
      text('t'),
      [global('torch._tensor', '_rebuild_from_type_v2'), '('],
      [global('torch._utils', '_rebuild_parameter'), global('torch', 'Tensor'), '(', one, 0x88, '}t', state, 'tR'],
    );
    expect([await values(file, 'p'), await values(file, 't')]).toEqual([[7], [7]]);
  });

  it('a tensor of an untyped storage has its own dtype', async () => {
    const untyped: Part = ['(', text('storage'), global('torch.storage', 'UntypedStorage'), text('1'), text('cpu')];
    const u16: Part = [
      [global('torch._utils', '_rebuild_tensor_v3'), '(', untyped, 'K', 16, 'tQ'],
      ['K', 6, 'K', 2, 0x85, 'K', 1, 0x85, 0x89, '}', global('torch', 'uint16'), 'tR'],
    ];
    const file = await entries(text('u'), u16);
    expect(file.entries.get('u')).toEqual({ name: 'u', dtype: 'U16', shape: [2] });
    expect([...new Uint16Array((await file.read('u')).buffer)]).toEqual([0, 0x4080]);
  });

  it('dtypes, devices, sets, bytes and complex numbers are left out', async () => {
    const file = await entries(
      ...[text('dtype'), global('torch', 'float8_e4m3fn'), text('w'), one],
      ...[text('device'), [global('torch', 'device'), text('cuda'), 0x85, 'R']],
      ...[text('set'), [global('__builtin__', 'set'), ']', 0x85, 'R']],
      ...[text('bytes'), [global('_codecs', 'encode'), text('ab'), text('latin1'), 0x86, 'R']],
      ...[text('complex'), [global('builtins', 'complex'), 'K', 1, 'K', 2, 0x86, 'R']],
    );
    expect([...file.entries.keys()]).toEqual(['w']);
    expect([...(file.unreadable?.keys() ?? [])]).toEqual([]);
  });

  it.each<[string, Part, string]>([
    [
      'a complex tensor',
      tensor({ key: '1', count: 2, shape: [2], strides: [1], type: 'ComplexFloatStorage' }),
      'has a complex, quantized or 8-bit float tensor of shape [2], which nothing here reads',
    ],
    [
      'a sparse tensor',
      [global('torch._utils', '_rebuild_sparse_tensor'), '(NNtR'],
      'has a sparse tensor, which nothing here reads',
    ],
    [
      'an expanded tensor of four gigabytes',
      tensor({ key: '1', count: 1, shape: [2 ** 30], strides: [0] }),
      'which is too large to be written out',
    ],
  ])('%s is an error only where it is read', async (_, odd, reason) => {
    const file = await entries(text('w'), one, text('odd'), odd);
    expect([...file.entries.keys()]).toEqual(['w']);
    expect(await values(file, 'w')).toEqual([7]);
    await expect(file.read('odd')).rejects.toThrow(reason);
    const store = new WeightStore(new Graph(), [file]);
    store.get('w', [1]);
    store.assertAllUsed();
    expect(() => store.get('odd', [2])).toThrow(reason);
  });
});

describe('names', () => {
  const one = tensor({ count: 1, shape: [1], strides: [1] });
  const names = async (pickle: Uint8Array): Promise<string[]> => [
    ...(await open(archiveOf(pickle, { 0: four(1) }))).entries.keys(),
  ];
  const dict = (...items: Part[]): Part => ['}(', ...items, 'u'];

  it.each(['state_dict', 'model_state_dict', 'model'])(
    'are those under %s, where a training script put it',
    async (root) => {
      const pickle = bytesOf(
        0x80,
        2,
        dict(text('epoch'), 'K', 3, text('ema'), dict(text('x'), one), text(root), dict(text('a.b'), one)),
        '.',
      );
      expect(await names(pickle)).toEqual(['a.b']);
    },
  );

  it('lose the prefix of DataParallel where all have it', async () => {
    const both = dict(text('module.a'), one, text('module.b.c'), one);
    expect(await names(bytesOf(0x80, 2, dict(text('state_dict'), both), '.'))).toEqual(['a', 'b.c']);
    expect(await names(bytesOf(0x80, 2, dict(text('module.a'), one, text('b'), one), '.'))).toEqual(['module.a', 'b']);
  });

  it("lose it in safetensors too, and are read under the file's own", async () => {
    const bytes = writeSafetensors({ 'module.w': { shape: [1], data: new Float32Array([7]) } });
    const files: ModelFiles = {
      name: 'f',
      has: async (path) => path === 'model.safetensors',
      read: async (path) => bytesSource(path, bytes),
      readText: async () => '',
    };
    const [file] = await openCheckpoint(files, 'model');
    expect([...((await file?.read('w')) ?? [])]).toEqual([...four(7)]);
  });

  it('of dictionaries in dictionaries are joined', async () => {
    expect(
      await names(bytesOf(0x80, 2, dict(text('a'), dict(text('b'), dict(text('c'), one), 'K', 5, one)), '.')),
    ).toEqual(['a.b.c', 'a.5']);
  });

  it('beside tensors are no roots: a module may be called model', async () => {
    expect(await names(bytesOf(0x80, 2, dict(text('w'), one, text('model'), dict(text('x'), one)), '.'))).toEqual([
      'w',
      'model.x',
    ]);
  });
});

describe('is refused in one sentence', () => {
  const call = (module: string, name: string, ...args: Part[]): Uint8Array =>
    archiveOf(pickleOf([global(module, name), '(', ...args, 'tR']));
  const one = { count: 1, shape: [1], strides: [1] };
  const withOne = (options: Partial<Parameters<typeof tensor>[0]>): Uint8Array =>
    archiveOf(pickleOf(tensor({ ...one, ...options })), { 0: four(1) });

  it.each<[string, Uint8Array, string]>([
    [
      'os.system',
      call('posix', 'system', text('touch /tmp/owned')),
      'asks for the Python object posix.system, which is no part of a state dict; it was not run',
    ],
    ['getattr', call('builtins', 'getattr', text('x'), text('y')), 'asks for the Python object builtins.getattr,'],
    ['eval of Python 2', call('__builtin__', 'eval', text('1')), 'asks for the Python object __builtin__.eval,'],
    ['another function of torch', call('torch.hub', 'load', text('x')), 'asks for the Python object torch.hub.load,'],
    [
      'a whole module',
      call('torch.nn.modules.linear', 'Linear'),
      'asks for the Python object torch.nn.modules.linear.Linear,',
    ],
    ['a name with control characters', call('a\x1b[2J', 'b'), 'asks for the Python object a?[2J.b,'],
    [
      'STACK_GLOBAL',
      archiveOf(bytesOf(0x80, 4, 0x8c, 2, 'os', 0x8c, 6, 'system', 0x93, 0x8c, 2, 'ls', 0x85, 'R.')),
      'asks for the Python object os.system,',
    ],
    [
      'an instance (INST)',
      archiveOf(bytesOf('(ios\nsystem\n.')),
      'has the pickle opcode 0x69, which no state dict needs',
    ],
    [
      'an object (NEWOBJ)',
      archiveOf(bytesOf(0x80, 2, global('collections', 'OrderedDict'), ')', 0x81, '.')),
      'has the pickle opcode 0x81,',
    ],
    ['an extension', archiveOf(bytesOf(0x80, 2, 0x82, 1, '.')), 'has the pickle opcode 0x82,'],
    [
      'a call of a storage type',
      call('torch', 'FloatStorage', 'K', 5),
      'calls torch.FloatStorage, which is no function',
    ],
    ['a call of a string', archiveOf(pickleOf([text('f'), ')R'])), 'calls what is no function'],
    [
      'a state for a tensor',
      archiveOf(pickleOf([tensor(one), '}b']), { 0: four(1) }),
      'sets the state of something other than an OrderedDict',
    ],
    [
      'a persistent id of something else',
      archiveOf(pickleOf([text('module'), 'Q'])),
      'refers to something outside that is no storage',
    ],
    [
      'a tensor beyond its storage',
      withOne({ shape: [2] }),
      'has a tensor of shape [2] and strides [1] at element 0 of a storage of 1 elements',
    ],
    [
      'a tensor that begins beyond its storage',
      withOne({ offset: 1 }),
      'has a tensor of shape [1] and strides [1] at element 1 of a storage of 1',
    ],
    [
      'a tensor that repeats one element a billion times',
      withOne({ shape: [2 ** 30], strides: [0] }),
      'has a tensor of shape [1073741824] and strides [0]',
    ],
    [
      'a shape whose product is not a number',
      withOne({ shape: new Array(40).fill(2 ** 30), strides: new Array(40).fill(0) }),
      'builds a tensor of what is no storage, offset, shape and strides',
    ],
    ['a negative offset', withOne({ offset: -1 }), 'builds a tensor of what is no storage, offset, shape and strides'],
    ['as many strides as axes, less one', withOne({ shape: [1, 1] }), 'builds a tensor of what is no storage'],
    [
      'a storage with two descriptions',
      archiveOf(
        bytesOf(0x80, 2, '}(', text('a'), tensor(one), text('b'), tensor({ ...one, type: 'HalfStorage' }), 'u.'),
        { 0: four(1) },
      ),
      'describes storage 0 in two ways',
    ],
    [
      'a string of four gigabytes',
      archiveOf(bytesOf(0x80, 2, 'X', u32(0xffffffff), 'abc')),
      'is truncated: data.pkl ends inside',
    ],
    [
      'a string of 2^63 bytes',
      archiveOf(bytesOf(0x80, 4, 0x8d, u32(0), u32(0x80000000), 'abc')),
      'is truncated: data.pkl ends inside',
    ],
    ['a pickle without an end', archiveOf(bytesOf(0x80, 2, '}')), 'is truncated: data.pkl ends inside'],
    ['more popped than pushed', archiveOf(bytesOf(0x80, 2, 's.')), 'takes more from its stack than is on it'],
    ['a mark that is missing', archiveOf(bytesOf(0x80, 2, '}u.')), 'takes more from its stack than is on it'],
    [
      'a memo entry that is not there',
      archiveOf(bytesOf(0x80, 2, 'h', 9, '.')),
      'uses entry 9 of its memo before it is there',
    ],
    ['a protocol of the future', archiveOf(bytesOf(0x80, 9, '}.')), 'is a pickle of protocol 9, known are 2 to 5'],
    [
      'a dictionary inside itself',
      archiveOf(bytesOf(0x80, 2, '}q', 0, text('a'), 'h', 0, 's.')),
      'has dictionaries nested without end',
    ],
    [
      'dictionaries doubled twenty times',
      archiveOf(bytesOf(0x80, 2, '}', ...doubled(20), '.')),
      'has dictionaries nested without end',
    ],
    ['a number', archiveOf(bytesOf(0x80, 2, 'K', 5, '.')), 'holds no state dict but something else'],
    ['a dictionary without tensors', archiveOf(pickleOf(['K', 5])), 'holds no tensor'],
    ['an archive without a pickle', zipSync({ 'a/b.txt': four(1) }, { level: 0 }), 'is a zip archive without data.pkl'],
    [
      'a compressed archive',
      zipSync({ 'archive/data.pkl': new Uint8Array(1000) }),
      'has the compressed or encrypted member archive/data.pkl',
    ],
    [
      'a big-endian archive',
      archiveOf(pickleOf(tensor(one)), { 0: four(1) }, { 'archive/byteorder': bytesOf('big') }),
      'has its bytes in the order "big"',
    ],
    ['safetensors under another name', bytesOf(8, 0, 0, 0, 0, 0, 0, 0, '{}      '), 'is no PyTorch checkpoint'],
    ['a pointer of Git LFS', bytesOf('version https://git-lfs.github.com/spec/v1'), 'is no PyTorch checkpoint'],
    ['a pickle that torch.save did not write', pickleOf(['K', 5]), 'is a pickle, but none that torch.save wrote'],
    ['an empty file', new Uint8Array(0), 'is no PyTorch checkpoint'],
  ])('%s', async (_, bytes, sentence) => {
    const error = await open(bytes).then(
      () => null,
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toContain(`Error: m.pt: ${sentence}`);
    expect(String(error)).not.toContain('\n');
  });

  /** Opcodes that put the dictionary on the stack twice into a new one, again and again. */
  function doubled(times: number): Part[] {
    return Array.from(
      { length: times },
      (_, i): Part => ['q', i, '0}', text('a'), 'h', i, 's', text('b'), 'h', i, 's'],
    );
  }

  it.each(['zip.pt', 'legacy.pt'])('%s, cut anywhere', async (name) => {
    const bytes = await fixture(name);
    for (let length = 0; length < bytes.length; length += 37) {
      await expect(open(bytes.subarray(0, length))).rejects.toThrow(
        /^m\.pt: is (truncated|no PyTorch|a zip archive without)/,
      );
    }
  });

  it.each(['zip.pt', 'legacy.pt', 'protocol4.pt', 'zip64.pt'])(
    '%s with some bytes changed, or is read',
    async (name) => {
      const bytes = await fixture(name);
      const change = fc.tuple(
        fc.nat(bytes.length - 1),
        fc.oneof(fc.nat(255), fc.constantFrom(0, 0xff, 0x28, 0x2e, 0x52)),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
          const changed = Uint8Array.from(bytes);
          for (const [at, byte] of changes) {
            changed[at] = byte;
          }
          try {
            const file = await open(changed);
            await Promise.all([...file.entries.keys()].map((key) => file.read(key)));
          } catch (error) {
            // A plain Error: a TypeError or RangeError would be a check that is missing.
            expect(error).toMatchObject({ name: 'Error', message: expect.stringMatching(/^m\.pt: [\x20-\x7e]+$/) });
          }
        }),
        { numRuns: 150, seed: 1 },
      );
    },
  );

  it('a storage that is shorter than its tensors, when they are read', async () => {
    const bytes = archiveOf(pickleOf(tensor({ count: 3, shape: [3], strides: [1] })), { 0: four(1) });
    await expect((await open(bytes)).read('w')).rejects.toThrow('m.pt: has 4 bytes in storage 0 where 12 should be');
    const none = archiveOf(pickleOf(tensor({ count: 3, shape: [3], strides: [1] })));
    await expect((await open(none)).read('w')).rejects.toThrow('m.pt: has no bytes in storage 0 where 12 should be');
  });

  it('a storage of the old layout whose length is not as described', async () => {
    const bytes = await fixture('legacy.pt');
    const pickled = await openPickle(bytesSource('m.pt', bytes));
    const source = watched(bytes);
    await (await openPickle(source)).read('scalar');
    const [prefix] = source.reads.at(-2) ?? [0];
    const changed = Uint8Array.from(bytes);
    changed[prefix] = 2;
    await expect((await open(changed)).read('scalar')).rejects.toThrow(
      /^m\.pt: has 2 elements in storage \d+ where 1 should be/,
    );
    expect(new Float32Array((await pickled.read('scalar')).buffer)).toEqual(new Float32Array([2.5]));
  });
});
