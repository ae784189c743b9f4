/** Changes files at random: bytes anywhere, a header's text, whole opcodes of a pickle, fields of a zip archive. */
import { opsOf } from './pickle_ops.ts';
import { pick, type Random } from './random.ts';
import { bytesOfText, joined, type Member, membersOf, zipOf } from './stored_zip.ts';

export type Kind = 'safetensors' | 'pickle';

export interface Input {
  readonly kind: Kind;
  readonly bytes: Uint8Array;
}

/** Pieces of JSON that readers are known to take differently. */
const TEXTS = [
  ...[
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    ' ',
    '\n',
    '0',
    '1',
    '-0',
    '1.0',
    '1e0',
    '4',
    '8',
    'null',
    'true',
    '"a"',
    '[]',
  ],
  ...[
    '{}',
    '"F32"',
    '"I8"',
    '"F8_E4M3"',
    '"dtype":',
    '"shape":',
    '"data_offsets":',
    '"__metadata__":{"k":"v"},',
    '\\u0061',
  ],
  ...[
    '9007199254740993',
    '18446744073709551615',
    '18446744073709551616',
    '\ufeff',
    '\\ud800',
    '\u0000',
    '"a":1,',
    '0,',
    '4,',
  ],
];

/** Opcodes and short runs of them, beside those of the seeds. */
const OPS: readonly Uint8Array[] = [
  ...'N 0 2 ( ) } ] t s u a e R b . Q \x85 \x86 \x87 \x88 \x89 \x8f \x81 \x90 \x93 l d o i'.split(' ').map(bytesOfText),
  ...['K\0', 'K\x01', 'K\x02', 'M\0\x01', 'J\xff\xff\xff\xff', 'J\xff\xff\xff\x7f', 'G\x3f\xf0\0\0\0\0\0\0'].map(
    bytesOfText,
  ),
  ...['X\x01\0\0\0a', 'X\x07\0\0\0storage', 'X\x01\0\0\x000', 'X\x02\0\0\0\xff\xfe', 'U\x01a', '\x8a\x01\x01'].map(
    bytesOfText,
  ),
  ...['h\0', 'h\x01', 'h\x02', 'q\0', 'q\x01', 'j\0\0\0\0', '\x80\x02', '\x80\x03', '\x80\x04'].map(bytesOfText),
  ...[
    'torch\nFloatStorage',
    'torch\nLongStorage',
    'torch\nComplexFloatStorage',
    'torch\nBoolStorage',
    'torch\nSize',
    'torch\nfloat32',
    'torch\nint64',
    'torch.storage\nUntypedStorage',
    'torch._utils\n_rebuild_tensor',
    'torch._utils\n_rebuild_tensor_v2',
    'torch._utils\n_rebuild_tensor_v3',
    'torch._utils\n_rebuild_parameter',
    'torch._utils\n_rebuild_parameter_with_state',
    'torch._tensor\n_rebuild_from_type_v2',
    'torch.nn.parameter\nParameter',
    'torch\nTensor',
    'torch\ndevice',
    'collections\nOrderedDict',
    'collections\nCounter',
    '__builtin__\nset',
    'builtins\ncomplex',
    '_codecs\nencode',
    'os\nsystem',
  ].map((name) => bytesOfText(`c${name}\n`)),
];

/** Returns another file made of `seed`, which may be right or wrong. @param others further files, of which parts may be taken */
export function mutated(seed: Input, others: readonly Input[], random: Random): Uint8Array {
  const rounds = random(2) === 0 ? 1 : 1 + random(4);
  if (seed.kind === 'safetensors') {
    return seed.bytes.length < 10 || random(5) === 0
      ? changedBytes(seed.bytes, rounds, random)
      : changedHeader(seed.bytes, rounds, random);
  }
  const members = membersOf(seed.bytes);
  if (members.length === 0) {
    // The old layout is pickles one after another, so that opcodes can be changed in place.
    return seed.bytes.length < 10 || random(3) === 0
      ? changedBytes(seed.bytes, rounds, random)
      : changedPickles(seed.bytes, rounds, random);
  }
  switch (random(8)) {
    case 0:
      return changedBytes(seed.bytes, rounds, random);
    case 1:
      return zipOf(members, random);
    case 2:
      return zipOf(changedMembers(members, others, random));
    default:
      return zipOf(
        members.map((member) =>
          member.name.endsWith('data.pkl') ? { ...member, bytes: changedOps(member.bytes, rounds, random) } : member,
        ),
      );
  }
}

function changedBytes(bytes: Uint8Array, rounds: number, random: Random): Uint8Array {
  let changed = Uint8Array.from(bytes);
  for (let i = 0; i < rounds; i++) {
    const at = random(changed.length + 1);
    const length = 1 + random(random(2) === 0 ? 4 : 64);
    switch (random(5)) {
      case 0:
        changed = Uint8Array.from([...changed.subarray(0, at), ...changed.subarray(at + length)]);
        break;
      case 1:
        changed = Uint8Array.from(
          joined([changed.subarray(0, at), changed.subarray(random(at + 1), at), changed.subarray(at)]),
        );
        break;
      case 2:
        changed[at] = (changed[at] ?? 0) ^ (1 << random(8));
        break;
      default:
        changed[at] = pick(random, [0, 1, 0x7f, 0x80, 0xff, random(256)]);
    }
  }
  return changed;
}

function changedHeader(bytes: Uint8Array, rounds: number, random: Random): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Math.min(Number(view.getBigUint64(0, true)), bytes.length - 8);
  let text = new TextDecoder().decode(bytes.subarray(8, 8 + length));
  for (let i = 0; i < rounds; i++) {
    const at = random(text.length + 1);
    const numbers = [...text.matchAll(/\d+/g)];
    const number = random(2) === 0 && numbers.length > 0 ? pick(random, numbers) : undefined;
    if (number) {
      const value = pick(random, [
        '0',
        '1',
        '2',
        '4',
        '8',
        '1.0',
        '-1',
        String(Number(number[0]) + 1),
        '9007199254740993',
      ]);
      text = text.slice(0, number.index) + value + text.slice(number.index + number[0].length);
    } else if (random(3) === 0) {
      const from = random(text.length);
      text = text.slice(0, at) + text.slice(from, from + random(60)) + text.slice(at);
    } else {
      text = text.slice(0, at) + pick(random, TEXTS) + text.slice(at + random(3));
    }
  }
  const header = new TextEncoder().encode(text);
  const size = new DataView(new ArrayBuffer(8));
  size.setBigUint64(0, BigInt(header.length), true);
  const data = bytes.subarray(8 + length);
  const rest = random(6) === 0 ? data.subarray(random(data.length + 1)) : data;
  return joined([new Uint8Array(size.buffer), header, rest]);
}

function changedOps(pickle: Uint8Array, rounds: number, random: Random): Uint8Array {
  const ops = pickle.length > 0 ? opsOf(pickle) : [...OPS];
  for (let i = 0; i < rounds; i++) {
    const at = random(ops.length + 1);
    const op = ops[at] ?? new Uint8Array(0);
    switch (random(7)) {
      case 0:
        ops.splice(at, 1 + random(3));
        break;
      case 1:
        ops.splice(at, 0, pick(random, OPS));
        break;
      case 2:
        ops.splice(at, 0, ...ops.slice(random(ops.length)).slice(0, 1 + random(12)));
        break;
      case 3:
        ops.splice(at, 1, pick(random, OPS));
        break;
      case 4:
        ops.splice(at, 1, ...ops.slice(random(ops.length)).slice(0, 1));
        break;
      default:
        ops.splice(at, 1, op.length > 1 && random(8) > 0 ? argument(op, random) : changedBytes(op, 1, random));
    }
  }
  return joined(ops);
}

/** Returns the opcode with another byte in its argument. */
function argument(op: Uint8Array, random: Random): Uint8Array {
  const changed = Uint8Array.from(op);
  const at = 1 + random(op.length - 1);
  changed[at] = pick(random, [0, 1, 2, 3, 4, 0xff, (op[at] ?? 0) + 1, (op[at] ?? 0) - 1, random(256)]);
  return changed;
}

function changedPickles(bytes: Uint8Array, rounds: number, random: Random): Uint8Array {
  const parts: Uint8Array[] = [];
  let rest = bytes;
  for (let i = 0; i < 5; i++) {
    const ops = opsOf(rest);
    const stop = ops.findIndex((op) => op[0] === 46);
    const whole = joined(ops.slice(0, stop + 1));
    parts.push(whole);
    rest = rest.subarray(whole.length);
  }
  const chosen = pick(random, [0, 1, 2, 3, 3, 3, 3, 4]);
  return joined([...parts.map((part, i) => (i === chosen ? changedOps(part, rounds, random) : part)), rest]);
}

function changedMembers(members: readonly Member[], others: readonly Input[], random: Random): Member[] {
  const changed = [...members];
  const member = pick(random, members);
  const at = random(changed.length);
  switch (random(5)) {
    case 0:
      changed.splice(at, 1);
      break;
    case 1:
      changed.splice(at, 0, member);
      break;
    case 2:
      changed.splice(at, 1, {
        ...member,
        name: String.fromCharCode(...changedBytes(bytesOfText(member.name), 1, random)),
      });
      break;
    case 3:
      changed.splice(at, 1, {
        name: changed[at]?.name ?? '',
        bytes: changedBytes(changed[at]?.bytes ?? member.bytes, 1, random),
      });
      break;
    default:
      changed.splice(at, 0, ...membersOf(pick(random, others).bytes).slice(random(3), 3));
  }
  return changed;
}
