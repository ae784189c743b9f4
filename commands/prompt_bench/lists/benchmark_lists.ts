/** The lists of prompts that `reno bench` runs, in the formats of their authors. */
import { sentenceOf } from '../../../src/cli/usage_error.ts';
import type { ScenePrompt } from '../../../src/reno/scene/verdict.ts';
import { assertCanRun, listLines, partiRows, promptMetadata } from '../../../src/reno/tasks/prompt_list.ts';
import { parsePocketPrompts } from '../../../src/reno/tasks/tasks.ts';

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
  if (name === 'pocket') {
    return pocketEntries(file, text);
  }
  try {
    const entries = lineEntries(name, listLines(text));
    assertCanRun(entries);
    return entries;
  } catch (error) {
    throw new Error(`${file}: ${sentenceOf(error)}`);
  }
}

function pocketEntries(file: string, text: string): PromptEntry[] {
  return parsePocketPrompts(file, text).map((entry) => {
    const { id, prompt, category, objects, relation, relations } = entry;
    const scene = { objects, relation, ...(relations ? { relations } : {}) };
    return { index: id, prompt, category, source: JSON.stringify(entry), scene };
  });
}

function lineEntries(name: Exclude<ListName, 'pocket'>, lines: readonly string[]): PromptEntry[] {
  switch (name) {
    case 'geneval':
      return lines.map((line, i) =>
        metadataEntry(line, i, 'GenEval metadata (JSON with a prompt and a tag)', ({ tag }) =>
          typeof tag === 'string' ? tag : null,
        ),
      );
    case 'geneval2':
      return lines.map((line, i) =>
        metadataEntry(
          line,
          i,
          'an entry of GenEval 2 (JSON with a prompt and an atom_count)',
          ({ atom_count: count }) => (typeof count === 'number' ? `${count} atoms` : null),
        ),
      );
    case 'parti-prompts':
      return partiRows(lines).map((row, index) => ({ ...row, index, source: lines[index + 1] ?? '' }));
    default:
      return lines.map((line, index) => ({ index, prompt: line.trim(), category: null, source: line }));
  }
}

/** Reads a line of JSON; `categoryOf` returns null where it is no entry of the list. */
function metadataEntry(
  line: string,
  index: number,
  what: string,
  categoryOf: (metadata: Readonly<Record<string, unknown>>) => string | null,
): PromptEntry {
  const metadata = promptMetadata(line);
  const category = metadata && categoryOf(metadata);
  return metadata && category !== null
    ? { index, prompt: metadata.prompt, category, source: line }
    : { index, prompt: line, category: null, source: line, problem: `line ${index + 1} of the list is not ${what}` };
}
