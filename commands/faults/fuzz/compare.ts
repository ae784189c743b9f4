/** Compares what is read here with what the reference reads, and names the differences that are meant. */
import type { Reading } from './reading.ts';
import type { Verdict } from './reference.ts';

/** Files that the reference takes and this refuses on purpose, by the words of the refusal. docs/reliability.md lists them. */
export const STRICTER: readonly (readonly [name: string, words: RegExp])[] = [
  ['a key twice in one JSON object', /stands twice in one object/],
  ['a header that does not begin with "{"', /header that is not a JSON object/],
  ['nested JSON', /nested deeper than/],
  ['sizes beyond 2^53', /has the invalid (shape|data_offsets)/],
  ['a type or an entry in another notation of serde', /has the unknown dtype|header entry that is not an object/],
  ['two members of one name, or outside the one folder', /has two members named|outside the one folder/],
  ['a local header that differs from the directory', /where its zip directory says, or another one/],
  ['a directory with a gap, or bytes after the end', /it is truncated, or was changed|has bytes after its end/],
  ['a tensor beyond the storage that is described', /^f: has a tensor of shape .* of a storage of/],
  ['a version or number in another notation', /has the version|something other than a number in/],
  [
    'a member or directory in an unusual place',
    /its member .* would begin at byte|no ZIP64 record of|ZIP64 record beyond/,
  ],
  ['a pickle that begins with other opcodes', /^f: is no PyTorch checkpoint/],
  ['a member whose name differs in case', /without data\.pkl|has no bytes in storage/],
  ['a member that is marked as a folder', /marked as a folder/],
  ['a damaged description (CRC-32)', /has damaged bytes in/],
  ['a compressed member, or a name that is not UTF-8', /compressed or encrypted member|whose name is not UTF-8/],
  ['a big-endian or unnamed byte order', /has its bytes in the order|not saved on a little-endian/],
  ['a Python object that no plain state dict needs', /asks for the Python object/],
  ['an opcode that no state dict needs', /which no state dict needs/],
  ['a protocol that Python does not have', /is a pickle of protocol/],
  ['arguments that torch.save does not write', /^f: (builds|calls|encodes|sets|refers|uses|describes|appends|adds) /],
  ['a key that is no string and no whole number', /has a key that is no string/],
  ['text that is not UTF-8', /text in its pickle that is not UTF-8/],
  ['no state dict', /holds no (state dict|tensor)|is a pickle, but none that torch.save wrote/],
  ['only tensors that nothing here reads', /which nothing here reads|too large to be written out/],
  ['one name for two tensors', /has two tensors named/],
  ['dictionaries in themselves', /nested without end/],
  [
    'storages of the old layout that are listed twice or never',
    /a storage that its pickle does not describe|has no storage/,
  ],
];

/** Files that the reference refuses and this takes on purpose, by the words of the reference. */
export const LAXER: readonly (readonly [name: string, words: RegExp])[] = [
  ['opcodes of protocols 0, 1 and 3 to 5', /Unsupported operand/],
  [
    'a broken storage that no wanted tensor has',
    /failed (reading|finding|locating) file|record size \(|storage has wrong byte size/,
  ],
  ['a storage of the old layout without a view', /expected 5, got 4/],
];

export interface Difference {
  /** The class of differences that are meant, or null. */
  readonly meant: string | null;
  readonly what: string;
}

/** Returns how the two differ, or null where they agree. */
export function difference(here: Reading, there: Verdict): Difference | null {
  if (here.ok && there.ok) {
    const wrong = there.partial ? null : otherTensors(here, there);
    return wrong === null ? null : { meant: null, what: wrong };
  }
  if (here.ok) {
    const error = there.error ?? '';
    const odd = here.odd.length > 0 ? 'an odd tensor is checked where it is wanted' : null;
    return { meant: named(LAXER, error) ?? odd, what: `only the reference refuses: ${error}` };
  }
  return there.ok ? { meant: named(STRICTER, here.error), what: `only this refuses: ${here.error}` } : null;
}

function named(classes: readonly (readonly [string, RegExp])[], words: string): string | null {
  return classes.find(([, pattern]) => pattern.test(words))?.[0] ?? null;
}

function otherTensors(here: Reading, { tensors = {} }: Verdict): string | null {
  const names = new Set([...Object.keys(here.tensors), ...Object.keys(tensors)]);
  for (const name of names) {
    const [a, b] = [own(here.tensors, name), own(tensors, name)];
    if (JSON.stringify(a) !== JSON.stringify(b) && !(a === undefined && here.odd.includes(name))) {
      return `tensor ${JSON.stringify(name)} is ${JSON.stringify(a)} here and ${JSON.stringify(b)} there`;
    }
  }
  return null;
}

function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
