/** Example prompts with combinations of words that no model has seen in training. */
import type { ModelFiles } from '../models/checkpoint/files.ts';

/** The held-out prompts of a model folder; empty where it has no such list. */
export async function heldOutPrompts(files: ModelFiles): Promise<string[]> {
  const name = 'heldout_prompts.json';
  if (!(await files.has(name))) {
    return [];
  }
  const list: unknown = JSON.parse(await files.readText(name));
  // A single object is no new combination: the models were trained on every object.
  return (Array.isArray(list) ? list : []).flatMap((item: { prompt?: unknown; category?: unknown }) =>
    typeof item.prompt === 'string' && item.category !== 'single_object' ? [item.prompt] : [],
  );
}

/** A random choice of `count` items, spread over the list. */
export function sample(items: readonly string[], count: number): string[] {
  const step = items.length / Math.min(count, items.length);
  return Array.from({ length: Math.min(count, items.length) }, (_, i) => {
    const index = Math.floor(i * step + Math.random() * step);
    return items[index] ?? '';
  });
}
