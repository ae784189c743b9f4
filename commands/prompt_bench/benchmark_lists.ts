/** The lists of prompts that `reno bench` runs, in the formats of their authors. */
import { parsePocketPrompts } from '../../src/reno/tasks.ts';
import type { ScenePrompt } from '../../src/reno/verdict.ts';

export const LISTS = [
  'geneval',
  'geneval2',
  't2i-compbench',
  'parti-prompts',
  'example-prompts',
  'prompts',
  'pocket',
] as const;
export type ListName = (typeof LISTS)[number];

/** One entry of a list. */
export interface PromptEntry {
  /** Place in the list, from 0; the noise of the prompt depends on it. */
  readonly index: number;
  readonly prompt: string;
  /** The group in which results are also counted; null: the list has no groups. */
  readonly category: string | null;
  /** The entry as it stands in the list. */
  readonly source: string;
  /** The objects and the relation that the pocket evaluator looks for. */
  readonly scene?: ScenePrompt;
  /** The reason why the entry cannot be run. */
  readonly problem?: string;
}

/**
 * Returns the entries of a list. GenEval: evaluation_metadata.jsonl; GenEval 2: geneval2_data.jsonl; T2I-CompBench and
 * example prompts: a prompt a line; PartiPrompts: PartiPrompts.tsv; the pocket models: heldout_prompts.json.
 * @throws Error, one sentence naming the file, when the text is no such list or none of its entries can be run
 */
export function readList(name: ListName, file: string, text: string): PromptEntry[] {
  const entries = name === 'pocket' ? pocketEntries(file, text) : lineEntries(name, file, text);
  const problem = entries.find((entry) => entry.problem)?.problem;
  if (entries.length === 0) {
    throw new Error(`${file}: the list has no prompts`);
  }
  if (problem && entries.every((entry) => entry.problem)) {
    throw new Error(`${file}: ${problem}`);
  }
  return entries;
}

function pocketEntries(file: string, text: string): PromptEntry[] {
  return parsePocketPrompts(file, text).map((entry) => ({
    index: entry.id,
    prompt: entry.prompt,
    category: entry.category,
    source: JSON.stringify(entry),
    scene: { objects: entry.objects, relation: entry.relation },
  }));
}

function lineEntries(name: Exclude<ListName, 'pocket'>, file: string, text: string): PromptEntry[] {
  const lines = text.split(/\r\n?|\n/).filter((line) => line.trim() !== '');
  switch (name) {
    case 'geneval':
      return lines.map((line, i) => jsonEntry(line, i, 'GenEval metadata (JSON with a prompt and a tag)', 'tag'));
    case 'geneval2':
      return lines.map((line, i) =>
        jsonEntry(line, i, 'an entry of GenEval 2 (JSON with a prompt and an atom_count)', 'atom_count'),
      );
    case 'parti-prompts':
      return partiEntries(file, lines);
    default:
      return lines.map((line, index) => ({ index, prompt: line.trim(), category: null, source: line }));
  }
}

/** Reads a line of JSON whose key `group` names the category. */
function jsonEntry(line: string, index: number, what: string, group: 'tag' | 'atom_count'): PromptEntry {
  const entry = { index, prompt: line, category: null, source: line };
  const problem = `line ${index + 1} of the list is not ${what}`;
  try {
    const parsed: unknown = JSON.parse(line);
    if (typeof parsed !== 'object' || parsed === null || !('prompt' in parsed) || typeof parsed.prompt !== 'string') {
      return { ...entry, problem };
    }
    const value = (parsed as Record<string, unknown>)[group];
    const category = typeof value === 'string' ? value : typeof value === 'number' ? `${value} atoms` : null;
    return category === null ? { ...entry, problem } : { ...entry, prompt: parsed.prompt, category };
  } catch {
    return { ...entry, problem };
  }
}

/** Reads a tab-separated table with the columns Prompt and Category. Quotes are ordinary characters in it. */
function partiEntries(file: string, [head = '', ...rows]: readonly string[]): PromptEntry[] {
  const names = head.split('\t');
  const column = names.indexOf('Prompt');
  const group = names.indexOf('Category');
  if (column < 0) {
    throw new Error(`${file}: the list has no column "Prompt"; give PartiPrompts.tsv`);
  }
  return rows.map((row, index) => {
    const cells = row.split('\t');
    const prompt = cells[column]?.trim() ?? '';
    const category = (group < 0 ? null : cells[group]?.trim()) || null;
    const entry = { index, prompt, category, source: row };
    return prompt === '' ? { ...entry, problem: `row ${index + 1} of the list has no prompt` } : entry;
  });
}
