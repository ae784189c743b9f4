/** The difference of two profiles, and which part of it is more than noise. */
import { median } from '../tuning/median.ts';
import { type Group, type Grouping, groupsOf } from './group_rows.ts';
import type { Profile } from './profile.ts';

/** With fewer runs, all of one are faster than all of the other too often by chance: of 4 and 4 in 1 of 35, of 5 and 5 in 1 of 126. */
export const FEWEST_RUNS = 5;
/** A smaller relative change is not worth a sentence. */
const SMALLEST_CHANGE = 0.02;

/** The change of a group of dispatches. `noise`: it is not more than repeated runs differ by. */
export type Verdict = 'slower' | 'faster' | 'noise' | 'new' | 'gone';

/** A group of dispatches in two profiles. Times are medians in µs. */
export interface ChangeRow {
  readonly key: string;
  /** Null where the first profile has no such group. */
  readonly before: GroupTime | null;
  /** Null where the second profile has none. */
  readonly after: GroupTime | null;
  /** `after` − `before`. */
  readonly deltaUs: number;
  readonly verdict: Verdict;
}

export interface GroupTime {
  readonly us: number;
  readonly count: number;
}

/** The comparison of two profiles. */
export interface Comparison {
  /** All dispatches together. */
  readonly step: ChangeRow;
  /** The largest change first. */
  readonly rows: readonly ChangeRow[];
  /** The median of after / before over the groups that both have: what all kernels share, such as another clock speed. */
  readonly drift: number;
  /** Both profiles have enough runs to tell changes from noise. */
  readonly decides: boolean;
}

/**
 * Compares two profiles. A change is more than noise when every run of one profile is faster than every run of the other, both have
 * 5 runs at least, and the medians differ by 2 % and by more than one tick of the timestamps.
 * @param depth as for `groupsOf`
 */
export function compareProfiles(before: Profile, after: Profile, by: Grouping, depth: number): Comparison {
  const tickMs = Math.max(before.tickNs, after.tickNs) / 1e6;
  const older = new Map(groupsOf(before, by, depth).map((group) => [group.key, group]));
  const newer = new Map(groupsOf(after, by, depth).map((group) => [group.key, group]));
  const keys = new Set([...older.keys(), ...newer.keys()]);
  const rows = [...keys].map((key) => changeOf(key, older.get(key), newer.get(key), tickMs));
  const ratios = rows.flatMap(({ before: a, after: b }) => (a && b && a.us > 0 ? [b.us / a.us] : []));
  const whole = (profile: Profile): Group => ({
    key: 'all dispatches',
    members: profile.dispatches.map((_, i) => i),
    ms: profile.step.kernels,
  });
  return {
    step: changeOf('all dispatches', whole(before), whole(after), tickMs),
    rows: rows.sort((a, b) => Math.abs(b.deltaUs) - Math.abs(a.deltaUs)),
    drift: median(ratios),
    decides: [before, after].every(({ step }) => step.kernels.length >= FEWEST_RUNS),
  };
}

function changeOf(key: string, before: Group | undefined, after: Group | undefined, tickMs: number): ChangeRow {
  const timeOf = (group: Group | undefined): GroupTime | null =>
    group ? { us: median(group.ms) * 1000, count: group.members.length } : null;
  const [a, b] = [timeOf(before), timeOf(after)];
  const verdict = before && after ? verdictOf(before.ms, after.ms, tickMs) : before ? 'gone' : 'new';
  return { key, before: a, after: b, deltaUs: (b?.us ?? 0) - (a?.us ?? 0), verdict };
}

function verdictOf(before: readonly number[], after: readonly number[], tickMs: number): Verdict {
  const change = median(after) - median(before);
  const isLarge = Math.abs(change) > Math.max(tickMs, SMALLEST_CHANGE * median(before));
  const isDecided = Math.min(before.length, after.length) >= FEWEST_RUNS;
  if (!isLarge || !isDecided) {
    return 'noise';
  }
  if (Math.min(...after) > Math.max(...before)) {
    return 'slower';
  }
  return Math.max(...after) < Math.min(...before) ? 'faster' : 'noise';
}
