/** docs/results.md: what the methods reach on the pocket models, from results of `reno bench pocket`. */
import { alignedTable } from '../../src/reno/report/markdown_table.ts';
import { at } from '../../src/tensor/types.ts';
import { curveTable } from '../evaluate/curve.ts';
import { pairedDifference } from '../prompt_bench/results/paired.ts';
import {
  type BenchResults,
  type MethodResult,
  number,
  type PictureRow,
  percent,
} from '../prompt_bench/results/results.ts';
import { claims, points } from './claims.ts';

/** @param date of the page, such as 2026-11-29 */
export function resultsPage(results: BenchResults, date: string): string {
  const { pictures, jobs, adapters, model, tool, categories, commits = [] } = results;
  const methods = at(categories, categories.length - 1).methods;
  const count = (of: (row: PictureRow) => number): number => new Set(pictures.map(of)).size;
  const [prompts, seeds] = [count(({ index }) => index), count(({ seed }) => seed)];
  const n = (results.settings as { readonly nIters: number }).nIters;
  const isWhole = jobs.done === jobs.all;
  const compared = comparisons(pictures, methods, n);
  return [
    '# What the methods reach',
    '',
    `\`npm run results\` wrote this page on ${date} from results of \`reno bench pocket\` (${tool}, ${commits.length > 0 ? `commit ${commits.join(', ')}` : 'commit unknown'}): model ${model},`,
    `${prompts} held-out prompts, ${seeds} ${seeds === 1 ? 'seed' : 'seeds'}, ${n} iterations, ${jobs.done} of ${jobs.all} jobs${jobs.failed.length > 0 ? ` (${jobs.failed.length} failed)` : ''}, on ${adapters.join('; ')}.`,
    ...(isWhole
      ? []
      : [
          '',
          `**The runs are not complete**: the tables are of the ${jobs.done} jobs that are done, and methods differ in their number of pictures.`,
          'Shares of two methods are of the same prompts only where their numbers of pictures agree; differences always are.',
        ]),
    ...missingMethods(methods, n),
    ...(seeds < 4
      ? ['', 'Fewer than four seeds are done: intervals are over prompts, and say little about other seeds.']
      : []),
    '',
    'The pocket models are toys that were trained for these tests ([pocket.md](pocket.md)): 96 × 96 pixels, a few objects and colours. Their',
    'figures show how the methods compare here, not how good published models are. An independent evaluator, which no method sees,',
    'says which pictures are right. In brackets are 95 % bootstrap intervals over prompts; the seeds of one prompt are drawn together.',
    '',
    '## Every method',
    '',
    'A forward pass is the unit of work, and an iteration with its gradient counts two. The difference is paired: the same prompt and seed by',
    'the method and by one step (`base`).',
    '',
    ...methodTable(methods, pictures),
    '',
    ...compared,
    ...longerRuns(results.curves),
    '## Right by category',
    '',
    ...categoryTable(categories.slice(0, -1), methods),
    '',
    '## Rewards',
    '',
    'Means as the authors of the rewards report them, higher is better. A run shows the rewards that it computes: without a reward, or with one',
    'alone, the others have no figure.',
    '',
    ...rewardTable(methods),
    '',
    '## Beside the paper',
    '',
    "The paper's figures are of SD-Turbo with four rewards (GenEval overall; T2I-CompBench colour where it says so), and of an evaluator of its",
    'own. Only the direction can be compared with toys.',
    '',
    ...alignedTable(
      ['in the paper', 'here, in points of right pictures', 'so'],
      claims(results).map(({ paper, measured, verdict }) => [paper, measured ?? 'these runs are not there', verdict]),
    ),
    '',
    'The paper compares at equal iterations only. At equal compute, where best-of-N may make as many pictures as a run of ReNO costs, it gives no',
    `figure for ReNO to be held against${compared.length > 0 ? '; the table of comparisons above has ours' : ''}.`,
    '',
  ].join('\n');
}

/** The place of the chart of longer runs, beside the page. */
export const CURVE_FILE = 'images/hacking_curve.svg';

/** Whether longer runs end in better pictures, or only in lower losses. */
function longerRuns(curves: BenchResults['curves'] = []): string[] {
  const table = curveTable(curves);
  return table.length === 0
    ? []
    : [
        '## Longer runs',
        '',
        'One run of ReNO, judged on its way: the picture of an iteration, and the one with the lowest loss until there, which a run of that length ends with.',
        'Where the loss falls and the share of right pictures falls too, the rewards are pleased and the evaluator is not.',
        '',
        `![Share of right pictures by iteration](${CURVE_FILE})`,
        '',
        ...table,
        '',
      ];
}

/** Names the methods that have no picture yet, and the command that makes them. */
function missingMethods(methods: readonly MethodResult[], n: number): string[] {
  const kinds: readonly (readonly [name: string, pattern: RegExp])[] = [
    [`best-of-${n}`, new RegExp(`^best-of-${n}$`)],
    [`best-of-${2 * n - 1}`, new RegExp(`^best-of-${2 * n - 1}$`)],
    ['multi-start', /^multi-start/],
    ['each reward alone', / alone$/],
    ['each reward left out', / without /],
  ];
  const missing = kinds.filter(([, pattern]) => !methods.some(({ method }) => pattern.test(method)));
  return missing.length === 0
    ? []
    : [
        '',
        `Not in these results: ${missing.map(([name]) => name).join(', ')}. The same command goes on with them when its`,
        '`--methods` are `base,best-of-n,equal-compute,reno,multi-start,each-reward,leave-one-out`; then `npm run results -- FOLDER` writes this page again.',
      ];
}

function methodTable(methods: readonly MethodResult[], pictures: readonly PictureRow[]): string[] {
  const rows = (method: string): PictureRow[] => pictures.filter((row) => row.method === method);
  return alignedTable(
    ['method', 'forwards', 'pictures', 'right', 'against base', 'loss below the first picture'],
    methods.map((m) => {
      const difference = m.method === 'base' ? null : pairedDifference(rows('base'), rows(m.method));
      return [
        m.method,
        String(m.cost),
        String(m.pictures),
        m.right ? percent(m.right) : '',
        difference?.right ? points(difference.right) : '',
        m.method === 'base' ? '' : percent(m.improved),
      ];
    }),
  );
}

/** ReNO and the searches, at equal iterations and at equal compute. */
function comparisons(pictures: readonly PictureRow[], methods: readonly MethodResult[], n: number): string[] {
  const rows = (method: string): PictureRow[] => pictures.filter((row) => row.method === method);
  const search = methods.find(({ method }) => method.startsWith('multi-start'))?.method;
  const pairs = [
    [`best-of-${n}`, `reno-${n}`, 'equal iterations'],
    [`best-of-${2 * n - 1}`, `reno-${n}`, 'equal compute'],
    ...(search
      ? [[`reno-${n}`, search, 'equal compute'] as const, [`best-of-${2 * n - 1}`, search, 'equal compute'] as const]
      : []),
  ] as const;
  const lines = pairs.flatMap(([a, b, what]) => {
    const found = pairedDifference(rows(a), rows(b));
    return found
      ? [[`${b} against ${a}`, what, String(found.pairs), found.right ? points(found.right) : '', number(found.loss)]]
      : [];
  });
  return lines.length === 0
    ? []
    : [
        '## Equal iterations, equal compute',
        '',
        ...alignedTable(['comparison', 'at', 'pairs', 'right', 'loss'], lines),
        '',
      ];
}

function categoryTable(categories: BenchResults['categories'], methods: readonly MethodResult[]): string[] {
  return alignedTable(
    ['category', 'prompts', ...methods.map(({ method }) => method)],
    categories.map(({ category, prompts, methods: own }) => [
      category.replaceAll('_', ' '),
      String(prompts),
      ...methods.map(({ method }) => {
        const right = own.find((m) => m.method === method)?.right;
        return right ? percent(right) : '';
      }),
    ]),
  );
}

function rewardTable(methods: readonly MethodResult[]): string[] {
  const rewards = [...new Set(methods.flatMap(({ scores }) => Object.keys(scores)))];
  return alignedTable(
    ['method', ...rewards],
    methods.map(({ method, scores }) => [method, ...rewards.map((name) => (scores[name] ? number(scores[name]) : ''))]),
  );
}
