/** The memory of a step over time: the sum of what is live, and the lives of the values that hold most for longest. */
import type { Interval } from '../../tensor/profile/dispatch_times.ts';
import { directionPrefix } from '../../tensor/profile/group_rows.ts';
import { liveBytes } from '../../tensor/profile/live_bytes.ts';
import type { LiveValue, Profile } from '../../tensor/profile/profile.ts';
import { at } from '../../tensor/types.ts';
import { escapeHtml } from '../report/html.ts';
import { bytesText, microseconds, place, timeAxis, zoomable } from './profile_figures.ts';

/** Values that are shown one by one. */
const LIVES = 40;
const AREA_WIDTH = 2000;
const AREA_HEIGHT = 120;

export function memoryFigure(profile: Profile, times: readonly Interval[]): string {
  const { memory } = profile;
  const total = at(times, times.length - 1).end;
  const live = liveBytes(profile);
  const sums = live.map(({ saved, transient, streamed }) => saved + transient + streamed);
  const peak = sums.reduce((most, bytes) => Math.max(most, bytes), 0);
  const peakAt = sums.indexOf(peak);
  const x = (ns: number): string => ((AREA_WIDTH * ns) / total).toFixed(1);
  const area = (bytes: readonly number[]): string => {
    const y = (value: number): string => (AREA_HEIGHT * (1 - value / (peak || 1))).toFixed(1);
    const points = bytes.map((value, i) => `${x(at(times, i).begin)},${y(value)} ${x(at(times, i).end)},${y(value)}`);
    return `0,${AREA_HEIGHT} ${points.join(' ')} ${AREA_WIDTH},${AREA_HEIGHT}`;
  };
  const label = `At most ${bytesText(peak)} are live at once, at ${microseconds(at(times, Math.max(0, peakAt)).begin)}; they share ${bytesText(memory.shared)}`;
  const svg = `<svg viewBox="0 0 ${AREA_WIDTH} ${AREA_HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${escapeHtml(label)}">
<polygon class="transient" points="${area(sums)}"/><polygon class="saved" points="${area(live.map(({ saved }) => saved))}"/></svg>`;
  const lives = longest(memory.values, times).map((value) => lifeRow(profile, value, times, total));
  return `<p class="legend"><span><i class="saved"></i>saved by a forward pass for a backward pass</span> <span><i class="transient"></i>all other values</span></p>
<p class="facts">${escapeHtml(label)}. Weights, states and results of other stages take ${escapeHtml(bytesText(memory.resident))} more, all the time.
Below: the ${lives.length} values with the largest product of bytes and time, of ${memory.values.length}.</p>
${zoomable('memory', label, `${svg}${timeAxis(total)}${lives.join('\n')}`)}`;
}

/** The values with the largest product of bytes and time, in the order in which they are made. */
function longest(values: readonly LiveValue[], times: readonly Interval[]): LiveValue[] {
  const weight = ({ bytes, from, to }: LiveValue): number => bytes * (at(times, to).end - at(times, from).begin);
  return [...values]
    .sort((a, b) => weight(b) - weight(a))
    .slice(0, LIVES)
    .sort((a, b) => a.from - b.from);
}

function lifeRow({ dispatches }: Profile, value: LiveValue, times: readonly Interval[], total: number): string {
  const { name, path, bytes, kind, from, to, readers } = value;
  const life = { begin: at(times, from).begin, end: at(times, to).end };
  const reads = readers.map((i) => {
    const { direction } = at(dispatches, i);
    return `<i class="read ${direction}" data-d="${i}" style="${place(at(times, i), total)}"></i>`;
  });
  const passes = readers.filter((i) => at(dispatches, i).direction === 'backward').map((i) => at(dispatches, i));
  const backward = passes.map(({ kernel, path: reader }) => `${kernel} in ${reader}`);
  const tip = [
    `${name} in ${path}`,
    bytesText(bytes),
    kind,
    `lives ${microseconds(life.end - life.begin)}`,
    `${readers.length} reads`,
    ...(backward.length > 0 ? [`backward: ${[...new Set(backward)].slice(0, 3).join(', ')}`] : []),
  ].join(' · ');
  const maker = at(dispatches, from);
  return `<div class="lane life"><b>${escapeHtml(bytesText(bytes))} ${escapeHtml(directionPrefix(maker.direction))}${escapeHtml(path || '(step)')}</b><i class="${kind}" data-tip="${escapeHtml(tip)}" style="${place(life, total)}"></i>${reads.join('')}</div>`;
}
