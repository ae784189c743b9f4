/** Differences between pictures that have the same prompt and seed. */
import type { PictureRow } from './results.ts';
import { type Estimate, estimate } from './statistics.ts';

export interface PairedDifference {
  readonly prompts: number;
  readonly pairs: number;
  /** Loss of B minus loss of A. */
  readonly loss: Estimate;
  /** Share of right pictures of B minus that of A; null where one was not judged. */
  readonly right: Estimate | null;
}

/** Compares B with A over the prompts and seeds that both have; the seeds of a prompt are drawn together. @returns null: none */
export function pairedDifference(a: readonly PictureRow[], b: readonly PictureRow[]): PairedDifference | null {
  const id = ({ index, seed }: PictureRow): string => `${index} ${seed}`;
  const others = new Map(b.map((row) => [id(row), row]));
  const pairs = a.flatMap((row) => {
    const other = others.get(id(row));
    return other ? [{ row, other }] : [];
  });
  if (pairs.length === 0) {
    return null;
  }
  const prompts = [...new Set(pairs.map(({ row }) => row.index))];
  const groups = prompts.map((index) => pairs.filter(({ row }) => row.index === index));
  const of = (value: (row: PictureRow) => number): Estimate =>
    estimate(groups.map((group) => group.map(({ row, other }) => value(other) - value(row))));
  const isJudged = pairs.every(({ row, other }) => row.right !== null && other.right !== null);
  return {
    prompts: groups.length,
    pairs: pairs.length,
    loss: of(({ loss }) => loss),
    right: isJudged ? of(({ right }) => Number(right)) : null,
  };
}
