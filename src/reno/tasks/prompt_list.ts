/** Reads the lists of prompts that benchmarks publish: lines, lines of JSON, and PartiPrompts' table. */

/** The most prompts of a list; the longest published one has 3,000. */
const MOST_PROMPTS = 50_000;

/** Returns the lines of a list that are not blank. @throws Error when there are more than 50,000 */
export function listLines(text: string): string[] {
  const lines = text.split(/\r\n?|\n/).filter((line) => line.trim() !== '');
  if (lines.length > MOST_PROMPTS) {
    throw new Error(`the list has ${lines.length} prompts, and at most ${MOST_PROMPTS} are run; divide it`);
  }
  return lines;
}

/** Returns a line of JSON that has a text under `prompt`, as GenEval's metadata; null where the line is none. */
export function promptMetadata(line: string): (Readonly<Record<string, unknown>> & { readonly prompt: string }) | null {
  try {
    const parsed: unknown = JSON.parse(line);
    return hasPrompt(parsed) ? parsed : null;
  } catch {
    return null;
  }
}

function hasPrompt(value: unknown): value is Readonly<Record<string, unknown>> & { readonly prompt: string } {
  return typeof value === 'object' && value !== null && 'prompt' in value && typeof value.prompt === 'string';
}

/** A row of PartiPrompts.tsv; `problem` says why it cannot be run. */
interface PartiRow {
  readonly prompt: string;
  readonly category: string | null;
  readonly problem?: string;
}

/** Returns the rows of PartiPrompts' tab-separated table, in which quotes are ordinary characters. @throws Error when it has no column "Prompt" */
export function partiRows(lines: readonly string[]): PartiRow[] {
  const [head = '', ...rest] = lines;
  const names = head.split('\t');
  const [column, group] = [names.indexOf('Prompt'), names.indexOf('Category')];
  if (column < 0) {
    throw new Error('the list has no column "Prompt"; give PartiPrompts.tsv');
  }
  return rest.map((line, i) => {
    const cells = line.split('\t');
    const prompt = cells[column]?.trim() ?? '';
    const category = cells[group]?.trim() || null;
    return prompt === ''
      ? { prompt, category, problem: `row ${i + 1} of the list has no prompt` }
      : { prompt, category };
  });
}

/** Checks that a list has an entry that can be run. @throws Error with the first entry's problem */
export function assertCanRun(entries: readonly { readonly problem?: string }[]): void {
  if (entries.length === 0) {
    throw new Error('the list has no prompts');
  }
  const problem = entries.find((entry) => entry.problem)?.problem;
  if (problem && entries.every((entry) => entry.problem)) {
    throw new Error(problem);
  }
}
