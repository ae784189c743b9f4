/** Lists of prompts: the pocket models' own, and those of the reference's tasks in their authors' files. */
import { RELATIONS, type ScenePrompt } from '../scene/verdict.ts';
import { drawsOf, type SizeSettings } from '../search/method.ts';
import type { RenoSettings } from '../settings/settings.ts';
import { fileName } from './file_name.ts';
import { assertCanRun, listLines, partiRows, promptMetadata } from './prompt_list.ts';

export interface PocketPrompt extends ScenePrompt {
  readonly id: number;
  /** One of GenEval's six (single_object, two_object, counting, colors, position, color_attr), or a harder one. */
  readonly category: string;
  readonly prompt: string;
}

/** Reads heldout_prompts.json. @throws Error naming the entry and what is wrong with it */
export function parsePocketPrompts(file: string, text: string): PocketPrompt[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (error) {
    throw new Error(`${file}: is not valid JSON (${error instanceof Error ? error.message : error})`);
  }
  if (!Array.isArray(list) || list.length === 0) {
    throw new Error(`${file}: must be a list of prompts`);
  }
  return list.map((entry: unknown, i) => {
    if (!isPocketPrompt(entry)) {
      throw new Error(`${file}: entry ${i} must have id, category, prompt, objects and relation`);
    }
    return entry;
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isPocketPrompt(value: unknown): value is PocketPrompt {
  if (!isRecord(value) || !Array.isArray(value.objects)) {
    return false;
  }
  const { id, category, prompt, objects, relation, relations } = value;
  const objectsFit = objects.every(
    (o: unknown) =>
      isRecord(o) &&
      typeof o.name === 'string' &&
      (o.color === null || typeof o.color === 'string') &&
      Number.isSafeInteger(o.count),
  );
  const relationFits = (r: unknown): boolean =>
    isRecord(r) &&
    RELATIONS.some((name) => name === r.rel) &&
    [r.a, r.b].every((i) => typeof i === 'number' && i in objects);
  const relationsFit =
    relations === undefined
      ? relation === null || relationFits(relation)
      : relation === null && Array.isArray(relations) && relations.every(relationFits);
  return (
    Number.isSafeInteger(id) && typeof category === 'string' && typeof prompt === 'string' && objectsFit && relationsFit
  );
}

/** Prompts of one list that have seeds of their own. */
const LIST = 2 ** 20;

/**
 * The seed of prompt `index`: every prompt of a list has its own noise, as in the reference; a list has fewer than 2^20 prompts.
 * It is seed · 2^20 + index below 2^53. Greater seeds, from 2^33 on, are mixed with the index to a number below 2^53.
 * @param seed a whole number from 0 to 2^53 − 1
 */
export function promptSeed(seed: number, index: number): number {
  const product = seed * LIST + index;
  return seed < 2 ** 53 / LIST ? product : Number(mixed(mixed(BigInt(seed)) + BigInt(index)) >> 11n);
}

/** Mixes 64 bits: the output function of SplitMix64 (Steele et al., "Fast splittable pseudorandom number generators"). */
function mixed(value: bigint): bigint {
  const word = (x: bigint): bigint => BigInt.asUintN(64, x);
  let z = word(value + 0x9e3779b97f4a7c15n);
  z = word((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = word((z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return z ^ (z >> 31n);
}

/**
 * Seed and draw of prompt `index`, for `Reno.generate`. PyTorch's generators are seeded once for a whole list, as in the
 * reference's loop: it draws once for each prompt, and with image selection once more for each candidate. Other searches draw as
 * often as they need.
 */
export function promptNoise(
  settings: SizeSettings & Pick<RenoSettings, 'noise'>,
  seed: number,
  index: number,
): { readonly seed: number; readonly draw: number } {
  if (settings.noise === 'reno') {
    return { seed: promptSeed(seed, index), draw: 0 };
  }
  const draws = drawsOf(settings);
  return { seed, draw: settings.mode === 'imageselect' ? index * (draws + 1) + 1 : index * draws };
}

export const TASKS = ['single', 'example-prompts', 't2i-compbench', 'parti-prompts', 'geneval'] as const;
export type TaskName = (typeof TASKS)[number];

/** One picture to make, and the path at which the benchmark's own tools look for it. */
export interface TaskItem {
  readonly prompt: string;
  /** Path of the best picture, relative to the output folder. */
  readonly best: string;
  /** Path of the first picture, if the reference keeps it. */
  readonly init?: string;
  /** Other files that the benchmark needs, by path. */
  readonly extra?: Readonly<Record<string, string>>;
  /** The reason why the list's entry cannot be run; the prompt is then the entry itself. */
  readonly problem?: string;
}

/**
 * Returns the items of a task from its published list: lines (example-prompts, t2i-compbench), evaluation_metadata.jsonl
 * (geneval) or PartiPrompts.tsv (parti-prompts). The layout of the files is the reference's; an entry that cannot be run
 * keeps its place and says why. @throws Error when the text is no such list, or none of its entries can be run
 */
export function taskItems(task: Exclude<TaskName, 'single'>, text: string, seed: number): TaskItem[] {
  const items = itemsOf(task, listLines(text), seed);
  assertCanRun(items);
  return items;
}

function itemsOf(task: Exclude<TaskName, 'single'>, lines: readonly string[], seed: number): TaskItem[] {
  switch (task) {
    case 'example-prompts':
      return lines.map((line, i) => {
        const prompt = line.trim();
        // The reference takes 150 characters of the prompt.
        const folder = fileName(`${String(i).padStart(3, '0')}_`, [...prompt].slice(0, 150).join(''), '.png');
        return { prompt, best: `${folder}/best_image.png`, init: `${folder}/init_image.png` };
      });
    case 't2i-compbench':
      return lines.map((line, i) => {
        const prompt = line.trim();
        return { prompt, best: `samples/${fileName('', prompt, `_${String(i).padStart(6, '0')}.png`)}` };
      });
    case 'geneval':
      return lines.map((line, i) => {
        const folder = String(i).padStart(5, '0');
        const best = `${folder}/samples/${String(seed).padStart(5, '0')}.png`;
        const prompt = promptMetadata(line)?.prompt;
        return prompt === undefined
          ? { prompt: line, best, problem: `line ${i + 1} of the list is not GenEval metadata (JSON with a prompt)` }
          : { prompt, best, extra: { [`${folder}/metadata.jsonl`]: line } };
      });
    case 'parti-prompts':
      return partiRows(lines).map(({ prompt, problem }, i) => {
        const best = `${i}/best_image.png`;
        return problem ? { prompt, best, problem } : { prompt, best, extra: { [`${i}/prompt.txt`]: prompt } };
      });
  }
}
