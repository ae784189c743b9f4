/** Base model, best-of-N and ReNO-N on held-out prompts, judged by a network that none of them was optimised against. */
import { at } from '../tensor/types.ts';
import { alignedTable } from './markdown_table.ts';
import type { Generated, GenerateOptions } from './session.ts';
import { type PocketPrompt, promptSeed } from './tasks.ts';
import type { ScenePrompt, Verdict } from './verdict.ts';

export const METHODS = ['base', 'best-of-n', 'reno'] as const;
export type Method = (typeof METHODS)[number];

/** The result of one prompt by one method: one line of rows.jsonl. */
export interface EvaluationRow {
  readonly id: number;
  readonly category: string;
  readonly prompt: string;
  readonly seed: number;
  /** The seed with which `reno generate --seed` makes this picture again. */
  readonly noiseSeed: number;
  readonly method: Method;
  readonly right: boolean;
  /** The first fault, or `right`. */
  readonly reason: string;
  /** Weighted reward loss of the judged picture. */
  readonly loss: number;
  /** Iteration, or draw, of the judged picture. */
  readonly iteration: number;
  readonly seconds: number;
}

interface Generator {
  generate(options: GenerateOptions): Promise<Generated>;
}

interface EvaluationParts {
  /** Optimises; its first picture is the base model's. */
  readonly reno: Generator;
  /** Chooses among fresh noises, the first of which is the base model's. Null: best-of-N is left out. */
  readonly select: Generator | null;
  readonly judge: { judge(pixels: Float32Array, prompt: ScenePrompt): Promise<Verdict> };
}

interface EvaluationHooks {
  /** Whether an earlier, interrupted run has written this row. */
  readonly isDone: (id: number, seed: number, method: Method) => boolean;
  readonly onRow: (row: EvaluationRow, pixels: Float32Array) => void;
}

/** Makes and judges the missing pictures, prompt by prompt. */
export async function evaluate(
  parts: EvaluationParts,
  prompts: readonly PocketPrompt[],
  seeds: readonly number[],
  hooks: EvaluationHooks,
): Promise<void> {
  for (const seed of seeds) {
    for (const prompt of prompts) {
      const noiseSeed = promptSeed(seed, prompt.id);
      const missing = (method: Method): boolean => !hooks.isDone(prompt.id, seed, method);
      const finish = async (method: Method, made: Generated, which: 'init' | 'best'): Promise<void> => {
        if (!missing(method)) {
          return;
        }
        const { trajectory } = made;
        const pixels = which === 'init' ? trajectory.initImage : trajectory.bestImage;
        const record = at(trajectory.records, which === 'init' ? 0 : trajectory.best);
        const { right, reason } = await parts.judge.judge(pixels, prompt);
        const row = {
          id: prompt.id,
          category: prompt.category,
          prompt: prompt.prompt,
          seed,
          noiseSeed,
          method,
          right,
          reason,
          loss: record.total,
          iteration: record.iteration,
          seconds: which === 'init' ? record.seconds : trajectory.seconds,
        };
        hooks.onRow(row, pixels);
      };
      if (missing('base') || missing('reno')) {
        const made = await parts.reno.generate({ prompt: prompt.prompt, seed: noiseSeed });
        await finish('base', made, 'init');
        await finish('reno', made, 'best');
      }
      if (parts.select && missing('best-of-n')) {
        await finish('best-of-n', await parts.select.generate({ prompt: prompt.prompt, seed: noiseSeed }), 'best');
      }
    }
  }
}

export interface CategoryResult {
  readonly category: string;
  readonly prompts: number;
  /** The fraction of right pictures, by method. */
  readonly right: Readonly<Partial<Record<Method, number>>>;
}

/** One entry for each category in order of appearance, then `overall`, the mean over pictures (GenEval's is over categories). */
export function summarize(rows: readonly EvaluationRow[]): CategoryResult[] {
  const categories = [...new Set(rows.map((r) => r.category))];
  const result = (category: string, of: readonly EvaluationRow[]): CategoryResult => {
    const right: Partial<Record<Method, number>> = {};
    let prompts = 0;
    for (const method of METHODS) {
      const own = of.filter((r) => r.method === method);
      if (own.length > 0) {
        right[method] = own.filter((r) => r.right).length / own.length;
        prompts = Math.max(prompts, own.length);
      }
    }
    return { category, prompts, right };
  };
  return [
    ...categories.map((c) =>
      result(
        c,
        rows.filter((r) => r.category === c),
      ),
    ),
    result('overall', rows),
  ];
}

/** The results as a Markdown table, which a terminal shows well too. */
export function renderTable(results: readonly CategoryResult[], nIters: number): string {
  const titles = { base: 'base', 'best-of-n': `best-of-${nIters}`, reno: `ReNO-${nIters}` };
  const methods = METHODS.filter((m) => results.some((r) => r.right[m] !== undefined));
  const percent = (fraction: number | undefined): string =>
    fraction === undefined ? '' : `${(fraction * 100).toFixed(1)}%`;
  const rows = results.map((r) => [
    r.category.replaceAll('_', ' '),
    String(r.prompts),
    ...methods.map((m) => percent(r.right[m])),
  ]);
  return alignedTable(['category', 'prompts', ...methods.map((m) => titles[m])], rows).join('\n');
}

/** The project's claim about ReNO on the pocket models, which an evaluation must show. */
const CLAIM = { prompts: 120, iterations: 50, pointsOverBase: 15 } as const;

/** The parts of the claim that these results do not show, a sentence each; empty when all of it holds. */
export function unmetClaims(results: readonly CategoryResult[], nIters: number): string[] {
  const overall = results.find((r) => r.category === 'overall');
  const { base, reno, 'best-of-n': best } = overall?.right ?? {};
  const unmet: string[] = [];
  const prompts = overall?.prompts ?? 0;
  if (prompts < CLAIM.prompts) {
    unmet.push(`${prompts} prompts were evaluated; the claim is about at least ${CLAIM.prompts}`);
  }
  if (nIters !== CLAIM.iterations) {
    unmet.push(`${nIters} iterations were run; the claim is about ${CLAIM.iterations}`);
  }
  if (base === undefined || reno === undefined || best === undefined) {
    return [...unmet, 'the claim compares base, best-of-n and ReNO; not all of them were run'];
  }
  const gain = (reno - base) * 100;
  if (gain < CLAIM.pointsOverBase) {
    unmet.push(`ReNO is ${gain.toFixed(1)} points over the base model; the claim is at least ${CLAIM.pointsOverBase}`);
  }
  return unmet;
}

/** A sentence that compares ReNO with best-of-n with the same rewards; it goes with every table, whichever is better. */
export function besideBestOfN(results: readonly CategoryResult[], nIters: number): string | null {
  const { reno, 'best-of-n': best } = results.find((r) => r.category === 'overall')?.right ?? {};
  if (reno === undefined || best === undefined) {
    return null;
  }
  const points = `${(Math.abs(reno - best) * 100).toFixed(1)} points`;
  if (reno > best) {
    return `ReNO-${nIters} beats best-of-${nIters} by ${points}`;
  }
  const how = reno < best ? `is ${points} below` : 'only equals';
  return `ReNO-${nIters} ${how} best-of-${nIters} with the same rewards: docs/pocket.md says why`;
}

/** The first line of rows.jsonl: rows of other weights or settings must not be added to the file. */
export interface EvaluationHeader {
  readonly format: 1;
  readonly weights: string;
  readonly settings: unknown;
}

/**
 * Reads rows.jsonl of an earlier run; an incomplete last line is dropped.
 * @throws Error when the file belongs to other weights or settings, or is no rows.jsonl
 */
export function parseRows(text: string, header: EvaluationHeader): EvaluationRow[] {
  const lines = text.split('\n').slice(0, -1);
  const [first, ...rest] = lines.map((line, i) => {
    try {
      return JSON.parse(line) as unknown;
    } catch {
      throw new Error(`line ${i + 1} of rows.jsonl is not JSON; remove the file or give another --out`);
    }
  });
  if (first === undefined) {
    return [];
  }
  if (JSON.stringify(first) !== JSON.stringify(header)) {
    throw new Error('the folder holds rows of other weights or settings; give another --out or remove rows.jsonl');
  }
  return rest as EvaluationRow[];
}
