/**
 * Texts that real users paste - mojibake, HTML, odd spaces, marks, controls - become what the reference's own tokenizers make of
 * them: zero differences in 3,000 texts and in all lists of prompts (python/reference/text_cleaning.py).
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { cleanClipText, cleanOpenClipText } from '../../../src/models/tokenizers/cleaning/clean_text.ts';
import { openTokenizer, type TextTokenizer, type TokenizerKind } from '../../../src/models/tokenizers/tokenizers.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';
import { at } from '../../../src/tensor/types.ts';
import { PROMPT_LISTS, PUBLIC_DATA } from '../../support/prompt_lists.ts';

interface Pinned {
  readonly texts: readonly string[];
  /** Four bytes of the hash of each text's result, in base64; the keys are the tokenizers' names. */
  readonly results: Readonly<Record<string, string>>;
  /** A hash over those bytes of every prompt; the keys are the names of tokenizer and list. */
  readonly lists: Readonly<Record<string, Readonly<Record<string, string>>>>;
}
const gz = readFileSync(new URL('../../../parity/odd_texts.json.gz', import.meta.url));
const pinned = JSON.parse(gunzipSync(gz).toString('utf8')) as Pinned;

type Result = string | readonly number[];
const sha256 = (bytes: string | Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
const hashed = (result: Result): Buffer =>
  sha256(typeof result === 'string' ? result : new Uint8Array(Uint32Array.from(result).buffer)).subarray(0, 4);

/** Texts whose result is another than Python's. */
function differences(name: string, run: (text: string) => Result): string[] {
  const hashes = Buffer.from(pinned.results[name] ?? '', 'base64');
  return pinned.texts.filter((text, i) => !hashed(run(text)).equals(hashes.subarray(4 * i, 4 * i + 4)));
}

it('has 3,000 texts', () => {
  expect(pinned.texts).toHaveLength(3000);
  expect(new Set(pinned.texts).size).toBeGreaterThan(2900);
});

describe('cleaning alone, which needs no vocabulary', () => {
  it.each([
    ['open_clip_text', cleanOpenClipText],
    ['clip_text', cleanClipText],
  ])('%s', (name, clean) => {
    expect(differences(name, clean)).toEqual([]);
  });
});

const TOKENIZERS: readonly (readonly [name: string, folder: string, kind: TokenizerKind])[] = [
  ['open_clip', 'clip', 'open_clip'],
  ['clip', 'clip', 'CLIPTokenizer'],
  ['clip_fast', 'clip', 'fast'],
  ['t5', 't5', 'T5Tokenizer'],
  ['t5_fast', 't5', 'fast'],
  ['bert', 'bert', 'fast'],
];

for (const [name, folder, kind] of TOKENIZERS) {
  const path = `${PUBLIC_DATA}/tokenizers/${folder}`;
  const there = existsSync(`${path}/tokenizer.json`);
  describe.skipIf(!there)(there ? `ids of ${name}` : `ids of ${name} (not here: ${path})`, () => {
    let opened: Promise<TextTokenizer> | undefined;
    const tokenizer = (): Promise<TextTokenizer> => {
      opened ??= openTokenizer(nodeFiles(path), kind);
      return opened;
    };

    it('of odd texts', { timeout: 120_000 }, async () => {
      const { tokenize } = await bound(tokenizer());
      expect(differences(name, tokenize)).toEqual([]);
    });

    it.each(Object.keys(PROMPT_LISTS))('of %s', { timeout: 120_000 }, async (list) => {
      const { tokenize } = await bound(tokenizer());
      const prompts = PROMPT_LISTS[list]?.() ?? [];
      const whole = Buffer.concat(prompts.map((prompt) => hashed(tokenize(prompt))));
      expect(sha256(whole).toString('hex')).toBe(pinned.lists[name]?.[list]);
    });
  });
}

async function bound(opened: Promise<TextTokenizer>): Promise<{ tokenize: (text: string) => Result }> {
  const tokenizer = await opened;
  return { tokenize: (text) => tokenizer.tokenize(text) };
}

/** On these sentencepiece and the Rust library agree; NFKC composes the marks otherwise. */
const halfDecomposed = `${PUBLIC_DATA}/../cases/t5-half-decomposed/texts.json`;
it.skipIf(!existsSync(halfDecomposed))('letters with one composed and one combining mark', async () => {
  const cases = Object.entries(JSON.parse(readFileSync(halfDecomposed, 'utf8')) as Record<string, number[]>);
  expect(cases.length).toBeGreaterThan(0);
  for (const kind of ['fast', 'T5Tokenizer'] as const) {
    const tokenizer = await openTokenizer(nodeFiles(`${PUBLIC_DATA}/tokenizers/t5`), kind);
    for (const [text, ids] of cases) {
      expect(tokenizer.tokenize(text), at([text], 0)).toEqual(ids);
    }
  }
});
