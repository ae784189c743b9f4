/** Makes files at random that are right, or nearly: tensors of every type, views of every stride, several of one storage. */
import { STORED_BYTES } from '../../../src/models/checkpoint/stored_dtype.ts';
import { sizeOf } from '../../../src/tensor/types.ts';
import type { Input, Kind } from './mutate.ts';
import { pick, type Random } from './random.ts';
import { bytesOfText, joined, type Member, zipOf } from './stored_zip.ts';

/** Types that nothing here reads, with their bytes. */
const OTHERS = { F8_E4M3: 1, F8_E5M2: 1, C64: 8 };
const STORAGES = {
  Double: 8,
  Float: 4,
  Half: 2,
  BFloat16: 2,
  Long: 8,
  Int: 4,
  Short: 2,
  Char: 1,
  Byte: 1,
  Bool: 1,
  ComplexFloat: 8,
};
const NAMES = ['a', 'b', 'a.weight', 'module.a', 'module.b', '__proto__', 'constructor', '\u00e9', 'state_dict', ''];

export function generated(kind: Kind, random: Random): Input {
  return { kind, bytes: kind === 'safetensors' ? safetensors(random) : archive(random) };
}

const dimensions = (random: Random): number[] =>
  Array.from({ length: random(4) }, () => pick(random, [0, 1, 1, 2, 2, 3, 4, 5]));

/** Bytes of which booleans are right too. */
const noise = (length: number, random: Random, boolean: boolean): Uint8Array =>
  Uint8Array.from({ length }, () => random(boolean ? 2 : 256));

function safetensors(random: Random): Uint8Array {
  const types = [...Object.entries(STORED_BYTES), ...Object.entries(OTHERS)];
  const entries: string[] = random(3) === 0 ? ['"__metadata__":{"k":"v"}'] : [];
  const parts: Uint8Array[] = [];
  let end = 0;
  for (const name of new Set(Array.from({ length: random(5) }, () => pick(random, NAMES)))) {
    const [dtype, itemBytes] = pick(random, types);
    const shape = dimensions(random);
    const bytes = sizeOf(shape) * itemBytes + (random(40) === 0 ? 1 : 0);
    const start = end + (random(40) === 0 ? 1 : 0);
    entries.push(
      `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape}],"data_offsets":[${start},${end + bytes}]}`,
    );
    parts.push(noise(bytes, random, dtype === 'BOOL'));
    end += bytes;
  }
  const order = random(2) === 0 ? entries : entries.reverse();
  const header = new TextEncoder().encode(`{${order.join(',')}}${' '.repeat(random(3))}`);
  const size = new DataView(new ArrayBuffer(8));
  size.setBigUint64(0, BigInt(header.length), true);
  return joined([new Uint8Array(size.buffer), header, ...parts, new Uint8Array(random(30) === 0 ? 1 : 0)]);
}

function archive(random: Random): Uint8Array {
  const storages = Array.from({ length: 1 + random(3) }, () => {
    const [type, itemBytes] = pick(random, Object.entries(STORAGES));
    return { type, itemBytes, count: random(24) };
  });
  const items = Array.from({ length: 1 + random(4) }, (): Uint8Array[] => {
    const key = random(storages.length);
    const { type, count } = storages[key] ?? { type: 'Float', count: 0 };
    const id = [
      bytesOfText('('),
      text('storage'),
      bytesOfText(`ctorch\n${type}Storage\n`),
      text(String(key)),
      text('cpu'),
      int(count),
      bytesOfText('tQ'),
    ];
    const shape = dimensions(random);
    const dense = shape.map((_, i) => sizeOf(shape.slice(i + 1)));
    const strides = random(2) === 0 ? dense : shape.map(() => random(5));
    const gradient = random(4) === 0 ? 0x88 : 0x89;
    return [
      random(12) === 0 ? int(random(3)) : text(pick(random, NAMES)),
      bytesOfText('ctorch._utils\n_rebuild_tensor_v2\n('),
      ...id,
      int(random(3) === 0 ? random(6) : 0),
      tuple(shape),
      tuple(strides),
      Uint8Array.of(gradient),
      bytesOfText('ccollections\nOrderedDict\n)RtR'),
    ];
  });
  const inner = [bytesOfText('}('), ...items.flat(), bytesOfText('u')];
  const root =
    random(3) === 0
      ? [bytesOfText('}'), text(pick(random, ['state_dict', 'model', 'x'])), ...inner, bytesOfText('s')]
      : inner;
  const members: Member[] = [
    { name: 'a/data.pkl', bytes: joined([bytesOfText('\x80\x02'), ...root, bytesOfText('.')]) },
    ...storages.map(({ type, itemBytes, count }, i) => ({
      name: `a/data/${i}`,
      bytes: noise(count * itemBytes, random, type === 'Bool'),
    })),
    { name: 'a/version', bytes: bytesOfText('3\n') },
  ];
  return zipOf(members);
}

function text(value: string): Uint8Array {
  const bytes = new TextEncoder().encode(value);
  return joined([bytesOfText('X'), Uint8Array.of(bytes.length, 0, 0, 0), bytes]);
}

const int = (value: number): Uint8Array => Uint8Array.of(0x4b, value & 0xff);

const tuple = (values: readonly number[]): Uint8Array =>
  joined([bytesOfText('('), ...values.map(int), bytesOfText('t')]);
