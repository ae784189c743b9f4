/** The dispatches of a profile on a time line. */
import { at } from '../types.ts';
import { directionPrefix } from './group_rows.ts';
import type { DispatchRecord, Profile } from './profile.ts';

/** Nanoseconds since the first dispatch began. */
export interface Interval {
  readonly begin: number;
  readonly end: number;
}

/** Returns where each dispatch of the shown run lies. Where a GPU ran two at once, the second begins when the first has ended. */
export function dispatchTimes({ dispatches, shownRun }: Profile): Interval[] {
  let last = 0;
  return dispatches.map(({ begin: started, ns }) => {
    const begin = Math.max(started, last);
    const end = Math.max(begin, started + at(ns, shownRun));
    last = end;
    return { begin, end };
  });
}

/** Dispatches that follow one another in one module. */
export interface ModuleSpan extends Interval {
  /** The last part of the module path, with the pass before the first part. */
  readonly name: string;
  /** Depth in the module tree; a span lies in the last one before it of a lower depth. */
  readonly depth: number;
  /** Indices of the first and the last dispatch. */
  readonly from: number;
  readonly to: number;
}

/** Returns the modules as they run, each before those within it. @param times as `dispatchTimes` gives them */
export function moduleSpans(dispatches: readonly DispatchRecord[], times: readonly Interval[]): ModuleSpan[] {
  const spans: (ModuleSpan & { end: number; to: number })[] = [];
  let open: (ModuleSpan & { end: number; to: number })[] = [];
  dispatches.forEach((dispatch, i) => {
    const names = moduleParts(dispatch);
    const { begin, end } = at(times, i);
    const differs = names.findIndex((name, depth) => open[depth]?.name !== name);
    open = open.slice(0, differs < 0 ? names.length : differs);
    for (const span of open) {
      span.end = end;
      span.to = i;
    }
    for (let depth = open.length; depth < names.length; depth++) {
      const span = { name: at(names, depth), depth, begin, end, from: i, to: i };
      open.push(span);
      spans.push(span);
    }
  });
  return spans;
}

/** Returns the parts of a dispatch's module path, with the pass before the first. */
export function moduleParts({ path, direction }: DispatchRecord): string[] {
  const [first = '', ...rest] = path === '' ? ['(step)'] : path.split('.');
  return [`${directionPrefix(direction)}${first}`, ...rest];
}
