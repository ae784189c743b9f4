/** The benchmarks' lists of prompts, which stand outside the repository. python/reference/tokenizers_prompts.py reads the same. */
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';

/** The folder with `prompts` and `tokenizers`. */
export const PUBLIC_DATA = resolve(import.meta.dirname, '../../../shared/data');

const lines = (path: string): string[] =>
  readFileSync(`${PUBLIC_DATA}/prompts/${path}`, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

export const PROMPT_LISTS: Readonly<Record<string, () => string[]>> = {
  geneval: () => lines('geneval/generation_prompts.txt'),
  't2i-compbench': () => {
    const files = readdirSync(`${PUBLIC_DATA}/prompts/t2i-compbench`).sort();
    const all = files.filter((name) => name.endsWith('.txt') && name !== 'License.txt');
    return [...new Set(all.flatMap((name) => lines(`t2i-compbench/${name}`)))];
  },
  // Tab-separated; quotes are part of the prompts.
  parti: () =>
    lines('parti/PartiPrompts.tsv')
      .slice(1)
      .map((line) => (line.split('\t')[0] ?? '').trim()),
};
