/** Checkpoints that mean one thing to one reader and another to the next, or that take all memory and time. */
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { bytesSource } from '../../../src/models/checkpoint/byte_source.ts';
import { openPickle } from '../../../src/models/checkpoint/pickle/open_pickle.ts';
import { archiveOf, bytesOf, global, type Part, pickleOf, tensor, text, u32 } from '../../support/pickles.ts';

const open = (bytes: Uint8Array) => openPickle(bytesSource('m.pt', bytes));
const one = tensor({ count: 1, shape: [1], strides: [1] });
const four = new Uint8Array(new Float32Array([7]).buffer);
const whole = (): Uint8Array => archiveOf(pickleOf(one), { 0: four });
const repeated = (part: Part, times: number): Uint8Array => {
  const piece = bytesOf(part);
  return new Uint8Array(piece.length * times).map((_, i) => piece[i % piece.length] ?? 0);
};

/** Returns the archive with `change` made at the n-th place that `signature` stands. */
function changed(signature: string, n: number, change: (view: DataView, at: number) => void): Uint8Array {
  const bytes = Buffer.from(whole());
  let at = -1;
  for (let i = 0; i <= n; i++) {
    at = bytes.indexOf(Buffer.from(signature, 'hex'), at + 1);
  }
  expect(at).toBeGreaterThanOrEqual(0);
  change(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), at);
  return bytes;
}
const [LOCAL, CENTRAL, END] = ['504b0304', '504b0102', '504b0506'];

describe('one meaning', () => {
  it('the archive that the others change is read', async () => {
    expect([...(await (await open(whole())).read('w'))]).toEqual([...four]);
  });

  it.each<[string, () => Uint8Array, RegExp]>([
    [
      'members whose names differ in case',
      () => archiveOf(pickleOf(one), { 0: four }, { 'archive/DATA/0': four }),
      /two members named/,
    ],
    [
      'a second data.pkl at the root',
      () => archiveOf(pickleOf(one), { 0: four }, { 'data.pkl': pickleOf(one) }),
      /outside the one folder/,
    ],
    [
      'a member outside the folder',
      () => archiveOf(pickleOf(one), { 0: four }, { 'other/x': four }),
      /outside the one folder/,
    ],
    [
      'no version',
      () => archiveOf(pickleOf(one), { 0: four }, { 'archive/version': bytesOf('x') }),
      /has the version "x"/,
    ],
    ['TorchScript', () => archiveOf(pickleOf(one), { 0: four }, { 'archive/constants.pkl': four }), /TorchScript/],
    [
      'another name in front of data.pkl',
      () => changed(LOCAL, 0, (v, at) => v.setUint8(at + 31, 0x58)),
      /or another one/,
    ],
    [
      'another size in front of data.pkl',
      () => changed(LOCAL, 0, (v, at) => v.setUint32(at + 22, 5, true)),
      /or another one/,
    ],
    [
      'other flags in front of data.pkl',
      () => changed(LOCAL, 0, (v, at) => v.setUint16(at + 6, 1, true)),
      /or another one/,
    ],
    [
      'another CRC of data.pkl',
      () => {
        const once = changed(LOCAL, 0, (v, at) => v.setUint32(at + 14, 1, true));
        const at = Buffer.from(once).indexOf(Buffer.from(CENTRAL, 'hex'));
        new DataView(once.buffer, once.byteOffset).setUint32(at + 16, 1, true);
        return once;
      },
      /has damaged bytes in archive\/data\.pkl/,
    ],
    ['bytes after the end', () => Buffer.concat([whole(), Buffer.from('x')]), /bytes after its end/],
    ['a part of several', () => changed(END, 0, (v, at) => v.setUint16(at + 8, 1, true)), /part of a larger archive/],
    [
      'a member marked as a folder',
      () => changed(CENTRAL, 1, (v, at) => v.setUint8(at + 38, 0x10)),
      /marked as a folder/,
    ],
    [
      'a gap before the end',
      () => changed(END, 0, (v, at) => v.setUint32(at + 12, 10, true)),
      /which should end at byte/,
    ],
    [
      'a storage that is longer than its tensors say',
      () => archiveOf(pickleOf(one), { 0: new Uint8Array(8) }),
      /has 8 bytes in storage 0 where 4/,
    ],
    [
      'one name for two tensors',
      () => archiveOf(bytesOf(0x80, 2, '}(', text('a.b'), one, text('a'), ['}', text('b'), one, 's'], 'u.')),
      /has two tensors named a\.b/,
    ],
    ['a key that is no string', () => archiveOf(bytesOf(0x80, 2, '}', ')', one, 's.')), /a key that is no string/],
    ['text that is not UTF-8', () => archiveOf(bytesOf(0x80, 2, '}', 'X', u32(1), 0xff, one, 's.')), /not UTF-8/],
    ['a list as a module', () => archiveOf(bytesOf(0x80, 4, ']', text('x'), 0x93, '.')), /by what is no name/],
    [
      'the state of a plain dictionary',
      () => archiveOf(bytesOf(0x80, 2, '}', text('w'), one, 's}b.')),
      /other than an OrderedDict/,
    ],
    [
      'whole numbers with a gradient',
      () =>
        archiveOf(
          pickleOf([
            global('torch._utils', '_rebuild_parameter'),
            '(',
            tensor({ count: 1, shape: [1], strides: [1], type: 'IntStorage' }),
            0x88,
            '}tR',
          ]),
        ),
      /a tensor of I32 with a gradient/,
    ],
    [
      'a state that replaces the values',
      () =>
        archiveOf(
          pickleOf([
            global('torch._utils', '_rebuild_parameter_with_state'),
            '(',
            one,
            0x89,
            '}',
            ['}', text('data'), one, 's'],
            'tR',
          ]),
        ),
      /sets attributes of a tensor/,
    ],
    ['appending to a set', () => archiveOf(bytesOf(0x80, 2, 0x8f, 'K', 1, 'a.')), /appends to what is no list/],
    [
      'a fraction as a size',
      () =>
        archiveOf(
          pickleOf([
            global('torch._utils', '_rebuild_tensor_v2'),
            '(N',
            'G',
            [0x3f, 0xf0, 0, 0, 0, 0, 0, 0],
            '))',
            0x89,
            'NtR',
          ]),
        ),
      /builds a tensor of what is no storage/,
    ],
  ])('%s', async (_, bytes, sentence) => {
    const read = async () => {
      const file = await open(bytes());
      return Promise.all([...file.entries.keys()].map((name) => file.read(name)));
    };
    await expect(read()).rejects.toThrow(sentence);
    await expect(read()).rejects.toThrow(/^m\.pt: [\x20-\x7e]+$/);
  });

  it('a wrong CRC of a tensor is read, as PyTorch does: tensors are read in parts, so their sum is never at hand', async () => {
    const damaged = Buffer.from(whole());
    damaged.writeUInt8(1, damaged.indexOf(Buffer.from(four)));
    expect([...(await (await open(damaged)).read('w'))]).not.toEqual([...four]);
  });
});

describe('a bomb is a sentence within its budget', () => {
  it('of rank, of names, of depth', async () => {
    const shape = ['(', ...new Array<Part>(100_000).fill(['K', 1]), 't'];
    const pid = ['(', text('storage'), global('torch', 'FloatStorage'), text('0'), text('cpu'), 'K', 1, 'tQ'];
    const flat = archiveOf(
      pickleOf([global('torch._utils', '_rebuild_tensor_v2'), '(', pid, 'K', 0, shape, shape, 0x89, 'NtR']),
    );
    await expect(open(flat)).rejects.toThrow('m.pt: has a tensor of 100000 dimensions, and at most 64 are read');
    const name = archiveOf(pickleOf(one, 'x'.repeat(5000)), { 0: four });
    await expect(open(name)).rejects.toThrow('m.pt: has a name of 5000 characters, and at most 4096 are read');
  });

  it('of a module name that holds itself many times: no text is made of a container', async () => {
    const laughs = Array.from({ length: 30 }, (_, i): Part => [']q', i + 1, '(', ['h', i], ['h', i], 'e']);
    const bytes = archiveOf(bytesOf(0x80, 4, ']q', 0, ...laughs, text('x'), 0x93, '.'));
    const start = performance.now();
    await expect(open(bytes)).rejects.toThrow('m.pt: asks for a Python object by what is no name');
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it('of 10 MB of any opcode or JSON, in 200 MiB of memory, in a process of its own', () => {
    const program = `
      import { bytesSource } from './src/models/checkpoint/byte_source.ts';
      import { openPickle } from './src/models/checkpoint/pickle/open_pickle.ts';
      import { openSafetensors } from './src/models/checkpoint/safetensors/open_safetensors.ts';
      const old = Buffer.from('8002' + '8a0a6cfc9c46f9206aa850192e' + '80024de9032e' + '80027d580d0000006c6974746c655f656e6469616e88732e', 'hex');
      const rows = [];
      const run = async (name, bytes, open) => {
        globalThis.gc();
        const [start, before] = [performance.now(), process.memoryUsage.rss()];
        const error = await open(bytesSource('m', bytes)).then(() => 'read', (e) => e.message);
        rows.push([name, performance.now() - start, error, (process.memoryUsage.rss() - before) / 2 ** 20]);
      };
      for (const op of ['7d', '5d', '28', '29', '7d71007d', '4b01', '8c0161', '580100000061', '88', '8f', '2932', '470000000000000000', '8a08ffffffffffffffff', '6374 6f726368 0a 53697a65 0a'.replaceAll(' ', '')]) {
        const piece = Buffer.from(op, 'hex');
        await run(op, Buffer.concat([old, Buffer.from('8002', 'hex'), Buffer.alloc(9_900_000 - 9_900_000 % piece.length, piece)]), openPickle);
      }
      for (const [first, piece] of [['{"a":[', '[],'], ['{"a":[', '{},'], ['{"a":[', '1,'], ['{"a":[', '"a",'], ['{"a":', ' '], ['{"', 'x'], ['{"a":', '[']]) {
        const size = Buffer.alloc(8);
        size.writeBigUInt64LE(9_900_000n);
        const json = Buffer.alloc(9_900_000, piece);
        json.write(first);
        await run(first + piece, Buffer.concat([size, json]), openSafetensors);
      }
      console.log(JSON.stringify(rows));
    `;
    const out = execFileSync(
      process.execPath,
      ['--expose-gc', '--import', 'tsx', '--input-type=module', '-e', program],
      {
        encoding: 'utf8',
      },
    );
    const rows = JSON.parse(out) as [string, number, string, number][];
    for (const [name, , error] of rows) {
      expect([name, error]).toEqual([name, expect.stringMatching(/^m: [\x20-\x7e]+$/)]);
    }
    expect(Math.max(...rows.map(([, , , mebibytes]) => mebibytes))).toBeLessThan(200);
    // Alone each takes at most 2 s; other tests run beside.
    expect(Math.max(...rows.map(([, milliseconds]) => milliseconds))).toBeLessThan(6000);
  }, 60_000);

  it('of repeated entries', async () => {
    const bytes = archiveOf(
      Buffer.concat([bytesOf(0x80, 2, '}(', text('w'), one, 'u'), repeated('2', 2_000_000), bytesOf('.')]),
    );
    await expect(open(bytes)).rejects.toThrow('m.pt: has more than 1000000 values in its description');
  });
});
