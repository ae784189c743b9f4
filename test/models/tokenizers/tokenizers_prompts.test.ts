/**
 * Every prompt of GenEval, T2I-CompBench and PartiPrompts has the ids that the Python libraries give it, in each of the models'
 * tokenizers (python/reference/tokenizers_prompts.py). Lists and vocabularies stand outside the repository.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fixtureJson } from '../../../commands/parity/fixtures.ts';
import { openTokenizer, type TextTokenizer, type TokenizerKind } from '../../../src/models/tokenizers/tokenizers.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';
import { PROMPT_LISTS, PUBLIC_DATA } from '../../support/prompt_lists.ts';

interface Pinned {
  readonly lists: Readonly<Record<string, { readonly count: number; readonly sha256: string }>>;
  /** Hashes by tokenizer and list: four bytes for each prompt, in base64. */
  readonly ids: Readonly<Record<string, Readonly<Record<string, string>>>>;
}
const pinned = (await fixtureJson('tokenizers_prompts')) as Pinned;

const sha256 = (bytes: string | Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

/** The tokenizer's folder, and the class that reads it. `clip` and `t5` of the file are those of the Rust library. */
const TOKENIZERS: Readonly<Record<string, readonly [folder: string, kind: TokenizerKind]>> = {
  clip: ['clip', 'fast'],
  t5: ['t5', 'fast'],
  bert: ['bert', 'fast'],
  open_clip: ['clip', 'open_clip'],
};

/** Opened once for all lists. */
const opened = new Map<string, Promise<TextTokenizer>>();
function tokenizerOf(name: string, folder: string, kind: TokenizerKind): Promise<TextTokenizer> {
  const tokenizer = opened.get(name) ?? openTokenizer(nodeFiles(`${PUBLIC_DATA}/tokenizers/${folder}`), kind);
  opened.set(name, tokenizer);
  return tokenizer;
}

describe.each(Object.keys(PROMPT_LISTS))('%s', (list) => {
  const there = existsSync(`${PUBLIC_DATA}/prompts/${list}`);
  it.skipIf(!there)(there ? 'is the list that was tokenized' : `is not here: ${PUBLIC_DATA}/prompts/${list}`, () => {
    const prompts = PROMPT_LISTS[list]?.() ?? [];
    expect(prompts).toHaveLength(pinned.lists[list]?.count ?? -1);
    expect(sha256(prompts.join('\n')).toString('hex')).toBe(pinned.lists[list]?.sha256);
  });

  for (const [name, [folder, kind]] of Object.entries(TOKENIZERS)) {
    const both = there && existsSync(`${PUBLIC_DATA}/tokenizers/${folder}/tokenizer.json`);
    it.skipIf(!both)(
      both ? name : `${name} (not here: ${PUBLIC_DATA}/tokenizers/${folder})`,
      { timeout: 120_000 },
      async () => {
        const tokenizer = await tokenizerOf(name, folder, kind);
        const hashes = Buffer.from(pinned.ids[name]?.[list] ?? '', 'base64');
        const prompts = PROMPT_LISTS[list]?.() ?? [];
        const wrong = prompts.filter((prompt, i) => {
          const ids = Uint32Array.from(tokenizer.tokenize(prompt));
          return sha256(new Uint8Array(ids.buffer)).readUInt32BE(0) !== hashes.readUInt32BE(4 * i);
        });
        expect(wrong).toEqual([]);
      },
    );
  }
});
