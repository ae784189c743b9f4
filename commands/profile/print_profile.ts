/** A profile and a comparison as tables. */
import type { ChangeRow, Comparison, GroupTime } from '../../src/tensor/profile/compare_profiles.ts';
import { coverage, type ProfileRow } from '../../src/tensor/profile/group_rows.ts';
import type { Profile } from '../../src/tensor/profile/profile.ts';
import { median } from '../../src/tensor/tuning/median.ts';
import { figure, table } from '../common/table.ts';

/** The sum of the timed dispatches may differ from the GPU's busy time by this share of it. */
export const COVERAGE_BOUND = 0.15;
/** The longest name of a row that is printed whole. */
const LONGEST = 90;

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const shortened = (key: string): string => (key.length > LONGEST ? `${key.slice(0, LONGEST - 1)}…` : key);
const rest = (rows: readonly unknown[], top: number): string[] =>
  rows.length > top ? [`… and ${rows.length - top} more; --top ${rows.length} prints them all`] : [];

/** The peaks, and the table. */
export function profileLines(
  { peaks, adapter }: Profile,
  rows: readonly ProfileRow[],
  by: string,
  top: number,
): string[] {
  const matrix = peaks.matrix === null ? '' : `, ${figure(peaks.matrix / 1e9)} GFLOP/s on matrix units`;
  const head = [by, 'count', 'µs', '± µs', 'share', 'so far', 'GFLOP/s', 'GB/s', 'FLOP/B', 'bound by', 'roofline'];
  const cells = rows
    .slice(0, top)
    .map((row) => [
      shortened(row.key),
      String(row.count),
      row.us.toFixed(1),
      row.spreadUs.toFixed(1),
      percent(row.share),
      percent(row.cumulativeShare),
      figure(row.gflops),
      figure(row.gigabytesPerSecond),
      figure(row.intensity),
      row.bound,
      percent(row.rooflineShare),
    ]);
  return [
    `${adapter.description || adapter.vendor}, measured peaks: ${figure(peaks.f32 / 1e9)} GFLOP/s in f32${matrix}, ${figure(peaks.bytesPerSecond / 1e9)} GB/s read and written`,
    '',
    ...table(head, cells),
    ...rest(rows, top),
    '',
  ];
}

/** One sentence: the kernels, the step by the clock, and the GPU's busy time. */
export function profileSummary(profile: Profile): string {
  const { step, dispatches, subject } = profile;
  const share = coverage(profile);
  const far =
    Math.abs(share - 1) > COVERAGE_BOUND
      ? `, more than ${percent(COVERAGE_BOUND)} apart: profile again on a quiet machine, with more --runs`
      : '';
  const ms = (values: readonly number[]): string => `${figure(median(values))} ms`;
  return `${subject}: ${dispatches.length} dispatches take ${ms(step.kernels)}, a step ${ms(step.clock)} by the clock (medians of ${step.kernels.length} runs); the fastest dispatches are ${percent(share)} of the GPU's fastest busy time${far}`;
}

/** The table of a comparison: all changes beyond noise first. */
export function comparisonLines({ step, rows, drift }: Comparison, by: string, top: number): string[] {
  const certain = rows.filter(({ verdict }) => verdict !== 'noise');
  const shown = [step, ...certain, ...rows.filter(({ verdict }) => verdict === 'noise')];
  const time = (group: GroupTime | null): string[] => (group ? [group.us.toFixed(1), String(group.count)] : ['–', '–']);
  const cells = shown.slice(0, top + 1).map((row: ChangeRow) => {
    const { key, before, after, deltaUs, verdict } = row;
    const ratio = before && after && before.us > 0 ? `${(after.us / before.us).toFixed(3)}x` : '–';
    return [shortened(key), ...time(before), ...time(after), signed(deltaUs), ratio, verdict];
  });
  return [
    ...table([by, 'µs before', 'count', 'µs after', 'count', 'change', 'ratio', 'verdict'], cells),
    ...rest(rows, top),
    `the median ratio of a ${by} is ${drift.toFixed(3)}: what all of them share, such as another clock speed or load`,
    '',
  ];
}

const signed = (us: number): string => `${us > 0 ? '+' : ''}${us.toFixed(1)}`;

/** One sentence: what became of the step, and how many rows changed by more than noise. */
export function comparisonSummary({ step, rows, decides }: Comparison, by: string, fewest: number): string {
  const count = (verdict: ChangeRow['verdict']): number => rows.filter((row) => row.verdict === verdict).length;
  const [before, after] = [step.before?.us ?? 0, step.after?.us ?? 0];
  const few = decides
    ? ''
    : `; with fewer than ${fewest} runs in one of the profiles nothing counts as more than noise`;
  const whole = step.verdict === 'noise' ? 'no change beyond noise' : step.verdict;
  return `all dispatches: ${figure(before / 1000)} ms before, ${figure(after / 1000)} ms after (${whole}); by ${by}: ${count('faster')} faster, ${count('slower')} slower, ${count('new')} new, ${count('gone')} gone, ${count('noise')} within noise${few}`;
}
