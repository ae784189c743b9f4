/** Finds out whether rewards that only watch fell while the optimised ones rose. */
import { at } from '../../tensor/types.ts';
import { ascends } from '../search/method_names.ts';
import { short } from './chart.ts';
import type { History, IterationRecord, RewardInfo } from './history.ts';
import { escapeHtml } from './html.ts';

type WatchedRun = Pick<History, 'iterations' | 'config'>;

/** A stretch of an ascent in which the weighted loss fell further while the score of a watching reward fell. */
export interface Divergence {
  /** The reward's label. */
  readonly reward: string;
  /** The iteration of its highest score, and that of the lowest weighted loss, which came later. */
  readonly from: IterationRecord;
  readonly to: IterationRecord;
  /** Its score at the beginning of the ascent, and in both iterations. */
  readonly begun: number;
  readonly highest: number;
  readonly ended: number;
}

/**
 * Finds the divergence of each watching reward in the ascent that reached the lowest weighted loss. Empty where nothing was ascended,
 * or where no score fell.
 */
export function divergences({ iterations, config }: WatchedRun): Divergence[] {
  const lowest = iterations.reduce<IterationRecord | null>((low, r) => (low && low.total <= r.total ? low : r), null);
  if (!lowest || !ascends(config.mode)) {
    return [];
  }
  const ascent = iterations.filter(({ chain, iteration }) => chain === lowest.chain && iteration <= lowest.iteration);
  return config.rewards.flatMap((reward) => {
    const score = scoreOf(reward);
    const from = ascent.reduce((high, r) => (score(r) > score(high) ? r : high));
    const [highest, ended] = [score(from), score(lowest)];
    return reward.watched && ended < highest && lowest.total < from.total
      ? [{ reward: reward.name, from, to: lowest, begun: score(at(ascent, 0)), highest, ended }]
      : [];
  });
}

const scoreOf =
  ({ name, offset }: RewardInfo) =>
  ({ losses }: IterationRecord): number =>
    offset - (losses[name] ?? Number.NaN);

/** A divergence as a sentence without its full stop. */
export function describeDivergence({ reward, from, to, begun, highest, ended }: Divergence): string {
  const where = ended < begun ? `, below the ${short(begun)} that it began with` : '';
  return (
    `from iteration ${from.iteration} to ${to.iteration} the weighted loss fell from ${short(from.total)} to ${short(to.total)}, ` +
    `while ${reward}, which only watches, fell from ${short(highest)} to ${short(ended)}${where}: the run may please its rewards more than you`
  );
}

/** The section of the report; empty where no reward watched. */
export function watchedSection(history: WatchedRun): string {
  const names = history.config.rewards.filter(({ watched }) => watched).map(({ name }) => name);
  if (names.length === 0) {
    return '';
  }
  const found = divergences(history);
  const lines = found.map((one) => `<p class="warning">${escapeHtml(capital(describeDivergence(one)))}.</p>`);
  const calm = names.filter((name) => !found.some(({ reward }) => reward === name));
  if (calm.length > 0 && ascends(history.config.mode)) {
    lines.push(
      `<p class="facts">${escapeHtml(calm.join(', '))} only watched, and did not fall while the weighted loss fell.</p>`,
    );
  }
  return lines.join('\n');
}

const capital = (sentence: string): string => `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}`;
