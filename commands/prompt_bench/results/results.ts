/** The results of a comparison: what each method reaches, by category, with intervals. */
import { alignedTable } from '../../../src/reno/report/markdown_table.ts';
import { at } from '../../../src/tensor/types.ts';
import type { ObjectScore } from '../detector/object_score.ts';
import { type CurvePoint, type JobResult, type PictureResult, pictureFile } from '../jobs/job_result.ts';
import type { PromptEntry } from '../lists/benchmark_lists.ts';
import type { Method } from '../methods.ts';
import type { Failure } from '../stores/job_store.ts';
import { type Estimate, estimate } from './statistics.ts';

/** A picture of a method. */
export interface Picture {
  readonly method: string;
  readonly index: number;
  readonly listSeed: number;
  readonly prompt: string;
  readonly category: string | null;
  /** The job that made it, and the name of its file there. */
  readonly key: string;
  readonly file: ReturnType<typeof pictureFile>;
  readonly result: PictureResult;
  /** The first picture of the same run, for the gain. */
  readonly first: PictureResult;
  /** Total loss at each iteration until the picture was chosen. */
  readonly totals: readonly number[];
  /** A detector's judgement of GenEval's objects; null where none looked. */
  readonly objects: ObjectScore | null;
}

/** One method on one category of prompts. */
export interface MethodResult {
  readonly method: string;
  /** Work of a picture in forward passes; an iteration with its gradient counts two. */
  readonly cost: number;
  readonly pictures: number;
  /** Weighted sum of losses; only comparable between methods with the same reward weights. */
  readonly loss: Estimate;
  /** Reward scores as their authors report them, of the rewards that the run computed. */
  readonly scores: Readonly<Record<string, Estimate>>;
  /** Share of pictures whose loss is below that of the run's first picture. */
  readonly improved: Estimate;
  /** Share of pictures that the independent evaluator calls right; null where none looked. */
  readonly right: Estimate | null;
  /** Share of pictures in which the detector finds GenEval's objects and their numbers; null where none looked. */
  readonly objects: Estimate | null;
}

export interface CategoryResults {
  /** `overall` is the mean over prompts. */
  readonly category: string;
  readonly prompts: number;
  readonly methods: readonly MethodResult[];
}

/** The contents of results.json. */
export interface BenchResults {
  readonly format: 1;
  readonly tool: string;
  readonly list: string;
  readonly model: string;
  readonly modelHash: string;
  readonly seeds: readonly number[];
  readonly settings: unknown;
  readonly adapters: readonly string[];
  /** Commits of the sources that the jobs ran on; empty where their records name none. */
  readonly commits?: readonly string[];
  /** The detector that looked for GenEval's objects, by file name and hash; absent: none looked. */
  readonly detector?: string;
  readonly jobs: { readonly all: number; readonly done: number; readonly failed: readonly Failure[] };
  readonly categories: readonly CategoryResults[];
  /** Every picture's numbers, so that two runs can be compared prompt by prompt. */
  readonly pictures: readonly PictureRow[];
  /** The pictures on the way of longer runs; absent where no run judged them. */
  readonly curves?: readonly CurveRow[];
}

/** The pictures on the way of one run. */
export interface CurveRow {
  readonly index: number;
  readonly seed: number;
  readonly points: readonly CurvePoint[];
}

export interface PictureRow {
  readonly method: string;
  readonly index: number;
  readonly seed: number;
  readonly loss: number;
  readonly right: boolean | null;
  /** The first fault that the evaluator found; absent where it found none. */
  readonly fault?: string;
  readonly objects?: boolean;
}

/** The pictures of a method from the results of its jobs. */
export function picturesOf(
  method: Method,
  results: readonly { readonly arm: string; readonly result: JobResult }[],
  entries: ReadonlyMap<number, PromptEntry>,
): Picture[] {
  return results
    .filter(({ arm }) => arm === method.arm)
    .map(({ result }) => ({
      method: method.name,
      index: result.index,
      listSeed: result.listSeed,
      prompt: result.prompt,
      category: entries.get(result.index)?.category ?? null,
      key: result.key,
      file: pictureFile(method),
      result: numbersOf(method, result),
      first: result.init,
      totals: result.totals.slice(0, method.length),
      objects: null,
    }));
}

/** The numbers of a method's picture. @throws Error, one sentence, where a result is of another form */
function numbersOf({ picture, length }: Method, result: JobResult): PictureResult {
  if (picture === 'init' || length === undefined) {
    return result[picture];
  }
  const shorter = result.shorter?.find((run) => run.length === length);
  if (!shorter) {
    throw new Error(
      `the result of job ${result.key} has no picture after ${length} iterations: remove its folder, and the same command makes it again`,
    );
  }
  return shorter.best;
}

/** Results by category in order of appearance, then overall. @param offsets score = offset − loss, by reward */
export function categoryResults(
  methods: readonly Method[],
  pictures: readonly Picture[],
  offsets: Readonly<Record<string, number>>,
): CategoryResults[] {
  const categories = [...new Set(pictures.map(({ category }) => category))].filter((name) => name !== null);
  const of = (name: string, own: readonly Picture[]): CategoryResults => ({
    category: name,
    prompts: new Set(own.map(({ index }) => index)).size,
    methods: methods.flatMap((method) => {
      const made = own.filter((picture) => picture.method === method.name);
      return made.length === 0 ? [] : [methodResult(method, made, offsets)];
    }),
  });
  const byCategory = categories.map((name) =>
    of(
      name,
      pictures.filter(({ category }) => category === name),
    ),
  );
  return [...byCategory, of('overall', pictures)];
}

function methodResult(
  { name, cost }: Method,
  pictures: readonly Picture[],
  offsets: Readonly<Record<string, number>>,
): MethodResult {
  const byPrompt = new Map<number, Picture[]>();
  for (const picture of pictures) {
    byPrompt.set(picture.index, [...(byPrompt.get(picture.index) ?? []), picture]);
  }
  const estimated = (value: (picture: Picture) => number): Estimate =>
    estimate([...byPrompt.values()].map((group) => group.map(value)));
  const rewards = Object.keys(at(pictures, 0).result.losses);
  const isJudged = pictures.every(({ result }) => result.right !== null);
  const isDetected = pictures.every(({ objects }) => objects !== null);
  return {
    method: name,
    cost,
    pictures: pictures.length,
    loss: estimated(({ result }) => result.total),
    scores: Object.fromEntries(
      rewards.map((reward) => [
        reward,
        estimated(({ result }) => (offsets[reward] ?? 0) - (result.losses[reward] ?? Number.NaN)),
      ]),
    ),
    improved: estimated(({ result, first }) => (result.total < first.total ? 1 : 0)),
    right: isJudged ? estimated(({ result }) => (result.right ? 1 : 0)) : null,
    objects: isDetected ? estimated(({ objects }) => (objects?.right ? 1 : 0)) : null,
  };
}

/** Says what the detector's column is, and what it is not. */
export function detectorNote(name: string): string {
  return `Objects: ${name}, a small COCO detector, finds GenEval's objects and their numbers; it looks at no colours and no positions, and is not GenEval's own evaluator.`;
}

/** The columns of shares by those who looked at the pictures. */
export function judgedColumns(
  methods: readonly MethodResult[],
): { head: 'right' | 'objects'; of: (m: MethodResult) => Estimate | null }[] {
  const columns = [
    { head: 'right', of: (m: MethodResult) => m.right },
    { head: 'objects', of: (m: MethodResult) => m.objects },
  ] as const;
  return columns.filter(({ of }) => methods.some((m) => of(m) !== null));
}

/** The overall results as a table. @param shown shows an estimate's text, such as `66.2 % (57.4 to 74.8)` */
export function overallTable(
  methods: readonly MethodResult[],
  shown: (estimate: string) => string = (text) => text,
): { readonly head: string[]; readonly rows: string[][] } {
  const rewards = [...new Set(methods.flatMap(({ scores }) => Object.keys(scores)))];
  const judged = judgedColumns(methods);
  const cell = (estimate: Estimate | null | undefined, text: (estimate: Estimate) => string): string =>
    estimate ? shown(text(estimate)) : '';
  return {
    head: ['method', 'forwards', 'pictures', ...judged.map(({ head }) => head), 'loss', 'improved', ...rewards],
    rows: methods.map((m) => [
      m.method,
      String(m.cost),
      String(m.pictures),
      ...judged.map(({ of }) => cell(of(m), percent)),
      cell(m.loss, number),
      cell(m.improved, percent),
      ...rewards.map((name) => cell(m.scores[name], number)),
    ]),
  };
}

/** The overall results, and the share of right pictures by category, as Markdown tables. */
export function renderMarkdown({ categories, list, model, seeds, jobs, tool, detector }: BenchResults): string {
  const overall = at(categories, categories.length - 1);
  const judged = judgedColumns(overall.methods);
  const { head, rows } = overallTable(overall.methods);
  const groups = categories.slice(0, -1);
  const titles = { right: 'Right by the independent evaluator', objects: 'Objects found by the detector' };
  const byCategory =
    groups.length === 0
      ? []
      : judged.flatMap((column) => [
          '',
          `${titles[column.head]}, by category:`,
          '',
          ...alignedTable(
            ['category', 'prompts', ...overall.methods.map(({ method }) => method)],
            groups.map((group) => [
              group.category.replaceAll('_', ' '),
              String(group.prompts),
              ...overall.methods.map(({ method }) => {
                const own = group.methods.find((m) => m.method === method);
                const share = own && column.of(own);
                return share ? percent(share) : '';
              }),
            ]),
          ),
        ]);
  const failed = jobs.failed.length > 0 ? `; ${jobs.failed.length} jobs failed` : '';
  return [
    `${list}, model ${model}, seeds ${seeds.join(', ')}: ${jobs.done} of ${jobs.all} jobs${failed} (${tool}).`,
    'In brackets: 95 % bootstrap intervals over prompts. A forward pass is the unit of work; an iteration with its gradient counts two.',
    ...(detector ? [detectorNote(detector)] : []),
    '',
    ...alignedTable(head, rows),
    ...byCategory,
    '',
  ].join('\n');
}

export function percent({ mean, low, high }: Estimate): string {
  const p = (share: number): string => (share * 100).toFixed(1);
  return `${p(mean)} % (${p(low)} to ${p(high)})`;
}

export function number({ mean, low, high }: Estimate): string {
  const digits = Math.abs(mean) < 1 ? 4 : 3;
  return `${mean.toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;
}
