/** Which of two lanes is ahead, in words: by the rewards, and by the evaluator. */
import { short } from '../../reno/report/chart.ts';
import type { IterationRecord, RewardInfo } from '../../reno/report/history.ts';

/** The best picture of a lane so far. */
export interface Standing {
  /** The lane's name in the middle of a sentence. */
  readonly name: string;
  /** The weighted loss: lower is better. */
  readonly loss: number;
  /** The evaluator's verdict: null where the prompt cannot be judged, undefined where it has not looked yet. */
  readonly right: boolean | null | undefined;
}

/** The loss by the model's own weights, also where levers have moved those of a run. */
export function weightedLoss({ losses }: IterationRecord, rewards: readonly RewardInfo[]): number {
  return rewards.reduce((sum, { name, weight }) => sum + weight * (losses[name] ?? 0), 0);
}

/** Returns two sentences, the second only where the evaluator has looked at both pictures. @param ended whether both lanes have */
export function standingWords(a: Standing, b: Standing, ended: boolean): string {
  const verdict = verdictWords(a, b);
  return verdict === '' ? rewardWords(a, b, ended) : `${rewardWords(a, b, ended)} ${verdict}`;
}

function rewardWords(a: Standing, b: Standing, ended: boolean): string {
  const [first, second] = a.loss <= b.loss ? [a, b] : [b, a];
  const [lower, higher] = [short(first.loss), short(second.loss)];
  if (lower === higher) {
    return `By reward ${a.name} and ${b.name} are equal: both have a loss of ${lower}.`;
  }
  const leads = ended ? 'is ahead at the end' : 'is ahead';
  return `By reward ${first.name} ${leads}: its lowest loss is ${lower}, that of ${second.name} ${higher}.`;
}

function verdictWords(a: Standing, b: Standing): string {
  if (a.right === undefined || b.right === undefined) {
    return '';
  }
  if (a.right === null || b.right === null) {
    return 'By verdict there is no answer: the evaluator cannot judge this prompt.';
  }
  if (a.right === b.right) {
    return `By verdict they are equal: ${a.right ? 'both pictures are right' : 'neither picture is right'}.`;
  }
  const [right, wrong] = a.right ? [a, b] : [b, a];
  return `By verdict ${right.name} is ahead: its picture is right, that of ${wrong.name} is wrong.`;
}
