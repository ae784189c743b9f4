/** The fuzzer of the readers: it must see what is wrong, repeat itself, and say every difference that it excuses. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { difference, LAXER, STRICTER } from '../../../commands/faults/fuzz/compare.ts';
import { mutated } from '../../../commands/faults/fuzz/mutate.ts';
import { opsOf } from '../../../commands/faults/fuzz/pickle_ops.ts';
import { seeded } from '../../../commands/faults/fuzz/random.ts';
import { readHere } from '../../../commands/faults/fuzz/reading.ts';
import { generated } from '../../../commands/faults/fuzz/right_files.ts';
import { seeds } from '../../../commands/faults/fuzz/seeds.ts';
import { joined, membersOf } from '../../../commands/faults/fuzz/stored_zip.ts';

describe('the fuzzer of the readers', () => {
  it('begins with files that are read', async () => {
    for (const seed of seeds()) {
      expect(await readHere(seed)).toMatchObject({ ok: true, crashed: false });
    }
  });

  it('makes the same files of the same seed, of which none is a crash and some are read', async () => {
    const run = async (): Promise<string[]> => {
      const random = seeded(5);
      const answers: string[] = [];
      for (let i = 0; i < 300; i++) {
        const kind = i % 2 === 0 ? 'safetensors' : 'pickle';
        const made = generated(kind, random);
        const own = seeds().filter((seed) => seed.kind === kind);
        const input =
          i % 3 === 0 ? made : ({ kind, bytes: mutated(own[random(own.length)] ?? made, own, random) } as const);
        const { ok, tensors, error, crashed } = await readHere(input);
        expect([crashed, error]).toEqual([false, error]);
        answers.push(`${ok} ${JSON.stringify(tensors)} ${error}`);
      }
      return answers;
    };
    const first = await run();
    expect(first.filter((answer) => answer.startsWith('true')).length).toBeGreaterThan(50);
    expect(new Set(first).size).toBeGreaterThan(80);
    expect(await run()).toEqual(first);
  });

  it('sees other values, other names, and an answer that the reference does not give', async () => {
    const [seed] = seeds();
    const here = await readHere(seed ?? { kind: 'safetensors', bytes: new Uint8Array(0) });
    expect(difference(here, { ok: true, tensors: here.tensors })).toBeNull();
    const [, shape, md5] = here.tensors.a ?? ['F32', [], ''];
    const other = (a: readonly [string, readonly number[], string | null]) => ({ ...here.tensors, a });
    expect(difference(here, { ok: true, tensors: other(['F32', shape, 'x']) })).toMatchObject({ meant: null });
    expect(difference(here, { ok: true, tensors: other(['I32', shape, md5]) })).toMatchObject({ meant: null });
    expect(difference(here, { ok: true, tensors: {} })).toMatchObject({ meant: null });
    expect(difference(here, { ok: false, error: 'X' })).toMatchObject({
      meant: null,
      what: 'only the reference refuses: X',
    });
    const refused = { ...here, ok: false, tensors: {}, error: 'f: is odd' };
    expect(difference(refused, { ok: true, tensors: {} })).toMatchObject({ meant: null });
    expect(difference(refused, { ok: false })).toBeNull();
  });

  it('splits a pickle into opcodes and an archive into members without a loss', () => {
    const archive = seeds().find(({ kind }) => kind === 'pickle');
    const pickle = membersOf(archive?.bytes ?? new Uint8Array(0))[0]?.bytes ?? new Uint8Array(0);
    const ops = opsOf(pickle);
    expect(joined(ops)).toEqual(Uint8Array.from(pickle));
    expect(ops.length).toBeGreaterThan(20);
  });

  it('excuses no difference that docs/reliability.md does not name', () => {
    const page = readFileSync(new URL('../../../docs/reliability.md', import.meta.url), 'utf8');
    expect([...STRICTER, ...LAXER].map(([name]) => name).filter((name) => !page.includes(name))).toEqual([]);
  });
});
