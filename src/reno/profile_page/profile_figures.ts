/** Numbers of a profile as text, and the parts that its figures share. */
import type { Interval } from '../../tensor/profile/dispatch_times.ts';
import { directionPrefix, leastTimes } from '../../tensor/profile/group_rows.ts';
import type { DispatchRecord, Peaks } from '../../tensor/profile/profile.ts';
import { median } from '../../tensor/tuning/median.ts';
import { ticks } from '../report/chart.ts';
import { escapeHtml } from '../report/html.ts';

const three = (value: number): string => String(Number(value.toPrecision(3)));

/** Nanoseconds as text in µs, ms or s. */
export function microseconds(ns: number): string {
  if (ns < 1e6) {
    return `${three(ns / 1e3)} µs`;
  }
  return ns < 1e9 ? `${three(ns / 1e6)} ms` : `${three(ns / 1e9)} s`;
}

/** Bytes as text. */
export function bytesText(bytes: number): string {
  if (bytes < 2 ** 20) {
    return `${three(bytes / 2 ** 10)} KiB`;
  }
  return bytes < 2 ** 30 ? `${three(bytes / 2 ** 20)} MiB` : `${three(bytes / 2 ** 30)} GiB`;
}

/** Billions a second as text, with the unit's prefix. */
export const rateOf = (billions: number, unit: string): string =>
  billions >= 1000 ? `${three(billions / 1000)} T${unit}` : `${three(billions)} G${unit}`;

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

export const dispatchCount = (count: number): string => `${count} dispatch${count === 1 ? '' : 'es'}`;

/** A dispatch in one line. */
export function describeDispatch(dispatch: DispatchRecord, peaks: Peaks): string {
  const ns = median(dispatch.ns);
  const { arithmetic, memory } = leastTimes(dispatch, peaks);
  const rates =
    ns > 0
      ? [
          rateOf(dispatch.flops / ns, 'FLOP/s'),
          rateOf(dispatch.bytes / ns, 'B/s'),
          `${percent(Math.max(arithmetic, memory) / ns)} of the roofline`,
        ]
      : [];
  const where = `${directionPrefix(dispatch.direction)}${dispatch.path}`;
  return [dispatch.kernel, where, microseconds(ns), ...rates, dispatch.operands.join(' ')].join(' · ');
}

/** A figure with its buttons, what can be zoomed, and a line that describes the chosen block. @param content blocks in percent of its width */
export function zoomable(kind: string, label: string, content: string): string {
  const button = (name: string, action: string, sign: string): string =>
    `<button type="button" data-zoom="${action}" aria-label="${name}">${sign}</button>`;
  return `<figure class="zoomable ${kind}">
<div class="tools">${button('Zoom in', 'in', '+')}${button('Zoom out', 'out', '−')}${button('Show all', 'all', 'all')}<output aria-live="polite"></output></div>
<div class="view" tabindex="0" role="group" aria-label="${escapeHtml(label)}"><div class="content">${content}</div></div>
</figure>`;
}

/** The place of an interval, in percent of `total`. */
export function place({ begin, end }: Interval, total: number): string {
  const p = (ns: number): string => String(Number(((100 * ns) / total).toFixed(4)));
  return `left:${p(begin)}%;width:${p(end - begin)}%`;
}

/** Labels of a time axis. @param total nanoseconds */
export function timeAxis(total: number): string {
  const marks = ticks(0, total, 8)
    .filter((ns) => ns < total * 0.92)
    .map((ns) => `<span style="left:${((100 * ns) / total).toFixed(3)}%">${microseconds(ns)}</span>`);
  return `<div class="axis" aria-hidden="true">${marks.join('')}</div>`;
}
