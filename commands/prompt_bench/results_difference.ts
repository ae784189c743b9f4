/** `reno bench compare A B`: what differs between two results, prompt by prompt, with intervals of the difference. */
import { readFileSync, statSync } from 'node:fs';
import type { Command } from '../../src/cli/args.ts';
import { finish, jsonFlag } from '../../src/cli/shared.ts';
import { reasonOf, UsageError } from '../../src/cli/usage_error.ts';
import { alignedTable } from '../../src/reno/markdown_table.ts';
import { type BenchResults, number, type PictureRow, percent } from './results.ts';
import { openToRead } from './results_place.ts';
import { type Estimate, estimate } from './statistics.ts';

/** A method that both have. */
export interface Difference {
  readonly method: string;
  readonly pairs: number;
  /** Loss of B minus loss of A, over the pictures that both have. */
  readonly loss: Estimate;
  /** Share of right pictures of B minus that of A; null where one was not judged. */
  readonly right: Estimate | null;
}

/** Compares pictures of the same method, prompt and seed. */
export function differences(a: readonly PictureRow[], b: readonly PictureRow[]): Difference[] {
  const id = ({ method, index, seed }: PictureRow): string => `${method}\0${index}\0${seed}`;
  const others = new Map(b.map((row) => [id(row), row]));
  const pairs = a.flatMap((row) => {
    const other = others.get(id(row));
    return other ? [{ row, other }] : [];
  });
  return [...new Set(pairs.map(({ row }) => row.method))].map((method) => {
    const own = pairs.filter(({ row }) => row.method === method);
    const groups = [...new Set(own.map(({ row }) => row.index))].map((i) => own.filter(({ row }) => row.index === i));
    const of = (value: (row: PictureRow) => number): Estimate =>
      estimate(groups.map((group) => group.map(({ row, other }) => value(other) - value(row))));
    const isJudged = own.every(({ row, other }) => row.right !== null && other.right !== null);
    return {
      method,
      pairs: own.length,
      loss: of(({ loss }) => loss),
      right: isJudged ? of(({ right }) => Number(right)) : null,
    };
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
