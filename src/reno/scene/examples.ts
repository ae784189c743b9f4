/** Prompts whose first picture was measured to be wrong, and whose best picture was right: examples that show what ReNO does. */
import type { EvaluationRow } from '../evaluation.ts';
import type { ScenePrompt } from '../verdict.ts';

/** A prompt and the seed with which it was measured. */
export interface Example {
  readonly prompt: string;
  readonly seed: number;
  readonly category: string;
  /** The fault of the first picture. */
  readonly fault: string;
  /** The weighted loss of the first picture less that of the best one. */
  readonly gain: number;
}

/**
 * Chooses examples from the rows of an evaluation. They come one from each category in turn, so that the first few are of all kinds;
 * no prompt comes twice.
 */
export function measuredExamples(rows: readonly EvaluationRow[]): Example[] {
  const keyOf = ({ id, seed }: EvaluationRow): string => `${id} ${seed}`;
  const mended = new Map(
    rows.filter(({ method, right }) => method === 'reno' && right).map((row) => [keyOf(row), row]),
  );
  const byCategory = new Map<string, Map<string, Example>>();
  for (const row of rows) {
    const { method, right, reason, prompt, category, noiseSeed: seed } = row;
    const after = mended.get(keyOf(row));
    if (method === 'base' && !right && after) {
      const list = byCategory.get(category) ?? new Map<string, Example>();
      byCategory.set(category, list);
      if (!list.has(prompt)) {
        list.set(prompt, { prompt, seed, category, fault: reason, gain: row.loss - after.loss });
      }
    }
  }
  const lists = [...byCategory.values()].map((list) => [...list.values()]);
  const longest = Math.max(0, ...lists.map(({ length }) => length));
  return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list[i] ?? [])).flat();
}

/** How much a picture can get wrong: its objects, and their colours, numbers and relation. */
export function facts({ objects, relation }: ScenePrompt): number {
  return objects.reduce(
    (n, { color, count }) => n + 1 + Number(color !== null) + Number(count > 1),
    Number(relation !== null),
  );
}
