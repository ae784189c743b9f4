/** Prompts whose first picture was measured to be wrong, and whose best picture was right: examples that show what ReNO does. */
import { relationsOf, type ScenePrompt } from './verdict.ts';

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

/** A picture that an evaluation judged: the first one of a run, or its best. */
export interface JudgedPicture {
  readonly prompt: string;
  /** The seed of the run's noise. */
  readonly seed: number;
  readonly category: string;
  readonly picture: 'first' | 'best';
  readonly right: boolean;
  /** The first fault, where it is not right. */
  readonly fault: string;
  /** Its weighted loss. */
  readonly loss: number;
}

/**
 * Chooses examples from the pictures of an evaluation. They come one from each category in turn, so that the first few are of all kinds;
 * no prompt comes twice.
 */
export function measuredExamples(pictures: readonly JudgedPicture[]): Example[] {
  const keyOf = ({ prompt, seed }: JudgedPicture): string => `${seed} ${prompt}`;
  const mended = new Map(
    pictures.filter(({ picture, right }) => picture === 'best' && right).map((row) => [keyOf(row), row]),
  );
  const byCategory = new Map<string, Map<string, Example>>();
  for (const row of pictures) {
    const { picture, right, fault, prompt, category, seed } = row;
    const after = mended.get(keyOf(row));
    if (picture === 'first' && !right && after) {
      const list = byCategory.get(category) ?? new Map<string, Example>();
      byCategory.set(category, list);
      if (!list.has(prompt)) {
        list.set(prompt, { prompt, seed, category, fault, gain: row.loss - after.loss });
      }
    }
  }
  const lists = [...byCategory.values()].map((list) => [...list.values()]);
  const longest = Math.max(0, ...lists.map(({ length }) => length));
  return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list[i] ?? [])).flat();
}

/** How much a picture can get wrong: its objects, and their colours, numbers and relations. */
export function facts(scene: ScenePrompt): number {
  return scene.objects.reduce(
    (n, { color, count }) => n + 1 + Number(color !== null) + Number(count > 1),
    relationsOf(scene).length,
  );
}
