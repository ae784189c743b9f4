/** The dispatches of a step over time, in a lane for each pass of each network. */
import type { Interval } from '../../tensor/profile/dispatch_times.ts';
import { directionPrefix, modulePrefix } from '../../tensor/profile/group_rows.ts';
import type { Profile } from '../../tensor/profile/profile.ts';
import { append, at } from '../../tensor/types.ts';
import { escapeHtml } from '../report/html.ts';
import { microseconds, place, timeAxis, zoomable } from './profile_figures.ts';

export function timelineFigure({ dispatches }: Profile, times: readonly Interval[]): string {
  const total = at(times, times.length - 1).end;
  const lanes = new Map<string, number[]>();
  dispatches.forEach(({ path, direction }, i) => {
    append(lanes, `${directionPrefix(direction)}${modulePrefix(path, 1)}`, i);
  });
  const rows = [...lanes].map(([name, members]) => {
    const blocks = members.map(
      (i) => `<i class="${at(dispatches, i).direction}" data-d="${i}" style="${place(at(times, i), total)}"></i>`,
    );
    return `<div class="lane"><b>${escapeHtml(name)}</b>${blocks.join('')}</div>`;
  });
  const label = `Time line of ${dispatches.length} dispatches in ${microseconds(total)}, in ${lanes.size} lanes`;
  return zoomable('timeline', label, `${rows.join('\n')}${timeAxis(total)}`);
}
