/**
 * Every prompt of GenEval, T2I-CompBench and PartiPrompts has the ids that the Python libraries give it, in each of the models'
 * tokenizers (python/reference/tokenizers_prompts.py). Lists and vocabularies stand outside the repository.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixtureJson } from '../../../commands/parity/fixtures.ts';
import { openClipText } from '../../../src/models/clip/open_clip.ts';
import { openTokenizer, type TextTokenizer } from '../../../src/models/tokenizers/tokenizers.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';

const data = resolve(import.meta.dirname, '../../../../shared/data');

interface Pinned {
  readonly lists: Readonly<Record<string, { readonly count: number; readonly sha256: string }>>;
  /** Hashes by tokenizer and list: four bytes for each prompt, in base64. */
  readonly ids: Readonly<Record<string, Readonly<Record<string, string>>>>;
}
const pinned = (await fixtureJson('tokenizers_prompts')) as Pinned;

const lines = (path: string): string[] =>
  readFileSync(`${data}/prompts/${path}`, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

const LISTS: Readonly<Record<string, () => string[]>> = {
  geneval: () => lines('geneval/generation_prompts.txt'),
  't2i-compbench': () => {
    const files = readdirSync(`${data}/prompts/t2i-compbench`).sort();
    const all = files.filter((name) => name.endsWith('.txt') && name !== 'License.txt');
    return [...new Set(all.flatMap((name) => lines(`t2i-compbench/${name}`)))];
  },
  // Tab-separated; quotes are part of the prompts.
  parti: () =>
    lines('parti/PartiPrompts.tsv')
      .slice(1)
      .map((line) => (line.split('\t')[0] ?? '').trim()),
};

const sha256 = (bytes: string | Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

/** The tokenizer's folder, and what is done to a prompt first. */
const TOKENIZERS: Readonly<Record<string, readonly [folder: string, clean: (prompt: string) => string]>> = {
  clip: ['clip', (prompt) => prompt],
  t5: ['t5', (prompt) => prompt],
  bert: ['bert', (prompt) => prompt],
  open_clip: ['clip', openClipText],
};

/** Opened once for all lists. */
const opened = new Map<string, Promise<TextTokenizer>>();
function tokenizerOf(folder: string): Promise<TextTokenizer> {
  const tokenizer = opened.get(folder) ?? openTokenizer(nodeFiles(`${data}/tokenizers/${folder}`));
  opened.set(folder, tokenizer);
  return tokenizer;
}

describe.each(Object.keys(LISTS))('%s', (list) => {
  const there = existsSync(`${data}/prompts/${list}`);
  it.skipIf(!there)(there ? 'is the list that was tokenized' : `is not here: ${data}/prompts/${list}`, () => {
    const prompts = LISTS[list]?.() ?? [];
    expect(prompts).toHaveLength(pinned.lists[list]?.count ?? -1);
    expect(sha256(prompts.join('\n')).toString('hex')).toBe(pinned.lists[list]?.sha256);
  });

  for (const [name, [folder, clean]] of Object.entries(TOKENIZERS)) {
    const both = there && existsSync(`${data}/tokenizers/${folder}/tokenizer.json`);
    it.skipIf(!both)(
      both ? name : `${name} (not here: ${data}/tokenizers/${folder})`,
      { timeout: 120_000 },
      async () => {
        const tokenizer = await tokenizerOf(folder);
        const hashes = Buffer.from(pinned.ids[name]?.[list] ?? '', 'base64');
        const prompts = LISTS[list]?.() ?? [];
        const wrong = prompts.filter((prompt, i) => {
          const ids = Uint32Array.from(tokenizer.tokenize(clean(prompt)));
          return sha256(new Uint8Array(ids.buffer)).readUInt32BE(0) !== hashes.readUInt32BE(4 * i);
        });
        expect(wrong).toEqual([]);
      },
    );
  }
});
