/** `reno bench compare A B`: what differs between two results, prompt by prompt, with intervals of the difference. */
import { readFileSync, statSync } from 'node:fs';
import type { Command } from '../../../src/cli/flags/args.ts';
import { finish, jsonFlag } from '../../../src/cli/flags/shared.ts';
import { reasonOf, UsageError } from '../../../src/cli/usage_error.ts';
import { alignedTable } from '../../../src/reno/report/markdown_table.ts';
import { openToRead } from '../stores/results_place.ts';
import { type PairedDifference, pairedDifference } from './paired.ts';
import { type BenchResults, number, type PictureRow, percent } from './results.ts';

/** A method that both have, B minus A. */
export interface Difference extends PairedDifference {
  readonly method: string;
}

/** Compares pictures of the same method, prompt and seed. */
export function differences(a: readonly PictureRow[], b: readonly PictureRow[]): Difference[] {
  return [...new Set(a.map(({ method }) => method))].flatMap((method) => {
    const own = (rows: readonly PictureRow[]): PictureRow[] => rows.filter((row) => row.method === method);
    const found = pairedDifference(own(a), own(b));
    return found ? [{ method, ...found }] : [];
  });
}

export const command: Command = {
  meta: { name: 'compare', description: 'Differences between two results, with intervals' },
  args: jsonFlag,
  positionals: {
    name: 'a b',
    description: 'Two folders of results, results.json files or addresses s3://BUCKET/PREFIX',
  },
  run: async (args, folders) => {
    const [first, second] = folders;
    if (first === undefined || second === undefined || folders.length > 2) {
      throw new UsageError('name two results: reno bench compare A B');
    }
    const [a, b] = await Promise.all([readResults(first), readResults(second)]);
    for (const key of ['list', 'model', 'modelHash', 'tool'] as const) {
      if (a[key] !== b[key]) {
        console.log(`${key}: ${a[key]} and ${b[key]}`);
      }
    }
    const rows = differences(a.pictures, b.pictures);
    if (rows.length === 0) {
      throw new Error(`${first} and ${second} have no picture of the same method, prompt and seed`);
    }
    const isJudged = rows.some(({ right }) => right !== null);
    console.log(`B minus A, means over prompts with 95 % bootstrap intervals; an interval without 0 is beyond chance.`);
    for (const line of alignedTable(
      ['method', 'pairs', 'loss', ...(isJudged ? ['right'] : [])],
      rows.map((r) => [
        r.method,
        String(r.pairs),
        number(r.loss),
        ...(isJudged ? [r.right ? percent(r.right) : ''] : []),
      ]),
    )) {
      console.log(line);
    }
    const clear = rows.filter(({ loss, right }) => [loss, right].some((e) => e && (e.low > 0 || e.high < 0)));
    return finish(args, true, `${clear.length} of ${rows.length} methods differ beyond chance`, rows);
  },
};

/** @param path a folder of results, its results.json, or `s3://BUCKET/PREFIX` @throws Error, one sentence */
export async function readResults(path: string): Promise<BenchResults> {
  try {
    const isFile = !path.startsWith('s3://') && statSync(path).isFile();
    const bytes = isFile ? readFileSync(path) : await (await openToRead(path)).read('results.json');
    if (bytes === null) {
      throw new Error('it has no results.json');
    }
    const read = JSON.parse(new TextDecoder().decode(bytes)) as BenchResults;
    if (read.format !== 1 || !Array.isArray(read.pictures)) {
      throw new Error('it is no results.json of reno bench');
    }
    return read;
  } catch (error) {
    throw new Error(`cannot read the results ${path}: ${reasonOf(error)}`);
  }
}
