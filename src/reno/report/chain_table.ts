/** The ascents of a search from many noises, as a table of the report. */
import { at } from '../../tensor/types.ts';
import { short } from './chart.ts';
import type { History, IterationRecord } from './history.ts';

/** An ascent of a search. */
interface ChainSummary {
  /** Counted from 0, from the best candidate on. */
  readonly chain: number;
  /** The draw of the seed that it began with. */
  readonly draw: number;
  /** Weighted loss of its first picture, which is the candidate's, and the lowest on the way. */
  readonly first: number;
  readonly lowest: number;
}

/** Returns a summary of each ascent that began; empty for other methods. */
function chainsOf(records: readonly IterationRecord[]): ChainSummary[] {
  const chains = new Map<number, IterationRecord[]>();
  for (const record of records) {
    if (record.chain !== undefined) {
      chains.set(record.chain, [...(chains.get(record.chain) ?? []), record]);
    }
  }
  return [...chains].map(([chain, all]) => {
    const { draw = 0, total } = at(all, 0);
    return { chain, draw, first: total, lowest: Math.min(...all.map((record) => record.total)) };
  });
}

/** Returns the section of the report; empty for other methods. */
export function chainTable({ iterations, best }: Pick<History, 'iterations' | 'best'>): string {
  const chains = chainsOf(iterations);
  if (chains.length === 0) {
    return '';
  }
  const chosen = iterations[best]?.chain;
  const rows = chains.map(({ chain, draw, first, lowest }) => {
    const cells = [chain + 1, draw, short(first), short(lowest)].map((cell) => `<td>${cell}</td>`);
    return `<tr${chain === chosen ? ' class="is-best"' : ''}>${cells.join('')}</tr>`;
  });
  const judged = iterations.filter(({ chain }) => chain === undefined).length;
  return `<h2>Ascents from the best of ${judged} noises</h2>
<div class="wide"><table><tr><th>ascent</th><th>draw of the seed</th><th>first loss</th><th>lowest loss</th></tr>${rows.join('')}</table></div>`;
}
