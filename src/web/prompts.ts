/** Prompts to try: those whose combination of words no model saw in training. */
import type { ModelFiles } from '../models/checkpoint/files.ts';

/** Empty where the models come without such a list. */
export async function heldOutPrompts(files: ModelFiles): Promise<string[]> {
  const name = 'heldout_prompts.json';
  if (!(await files.has(name))) {
    return [];
  }
  const list: unknown = JSON.parse(await files.readText(name));
  // A single object is no combination: every object was trained on.
  return (Array.isArray(list) ? list : []).flatMap((item: { prompt?: unknown; category?: unknown }) =>
    typeof item.prompt === 'string' && item.category !== 'single_object' ? [item.prompt] : [],
  );
}

/** `count` of `items` spread over the list, others on every load. */
export function sample(items: readonly string[], count: number): string[] {
  const step = items.length / Math.min(count, items.length);
  return Array.from({ length: Math.min(count, items.length) }, (_, i) => {
    const index = Math.floor(i * step + Math.random() * step);
    return items[index] ?? '';
  });
}
