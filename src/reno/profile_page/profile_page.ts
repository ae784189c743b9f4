/** A profile as one HTML file that opens from a disk and fetches nothing: tables, time line, flame view, roofline and memory. */
import { dispatchTimes } from '../../tensor/profile/dispatch_times.ts';
import { coverage } from '../../tensor/profile/group_rows.ts';
import { COARSE_TICK, type Direction, type Profile } from '../../tensor/profile/profile.ts';
import { median, sum } from '../../tensor/tuning/median.ts';
import { escapeHtml } from '../report/html.ts';
import { REPORT_STYLE } from '../report/report_style.ts';
import { flameFigure } from './flame_figure.ts';
import { memoryFigure } from './memory_figure.ts';
import { describeDispatch, microseconds, percent, rateOf } from './profile_figures.ts';
import { PROFILE_SCRIPT, PROFILE_STYLE } from './profile_style.ts';
import { profileTables } from './profile_tables.ts';
import { rooflineFigure } from './roofline_figure.ts';
import { timelineFigure } from './timeline_figure.ts';

/** Returns the page as text. */
export function profilePage(profile: Profile): string {
  const subject = escapeHtml(profile.subject);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Profile of ${subject} · ReNO</title>
<style>${REPORT_STYLE}${PROFILE_STYLE}</style>
</head>
<body>
<main>
<h1>Where the time of an iteration goes: ${subject}</h1>
${profileSections(profile)}
</main>
<script>${PROFILE_SCRIPT}bindProfile();</script>
</body>
</html>
`;
}

/** Returns all of the page but its title, style and script. */
export function profileSections(profile: Profile): string {
  const { adapter, tool, date, dispatches, peaks } = profile;
  const times = dispatchTimes(profile);
  const facts = [adapter.description || adapter.vendor, tool, date.slice(0, 16).replace('T', ' ')];
  const tips = dispatches.map((dispatch) => describeDispatch(dispatch, peaks));
  return `<p class="facts">${escapeHtml(facts.join(' · '))}</p>
${warnings(profile)}
${headline(profile)}
<p class="legend"><span><i class="forward"></i>forward pass</span> <span><i class="backward"></i>backward pass</span> <span><i class="recomputed"></i>computed again</span></p>
<h2>Tables</h2>
${profileTables(profile)}
<h2>Time line</h2>
<p class="facts">Each block is a dispatch of the median run. The buttons zoom, and so does the wheel with Ctrl; the arrow keys go from block to block.</p>
${timelineFigure(profile, times)}
<h2>Flame view by module</h2>
<p class="facts">The width is the time of all dispatches of a module, whenever they run; what lies below is a part of it. Click a block to zoom.</p>
${flameFigure(profile)}
<h2>Roofline</h2>
<p class="facts">Each circle is a kernel, and its area is its share of the time. A kernel on the line is as fast as the measured peaks
allow; far below it waits for something else, such as latency or too few workgroups. Above the slope, its data came from a cache.</p>
${rooflineFigure(profile)}
<h2>Memory</h2>
<p class="facts">The values that share memory, from the dispatch that makes each to the last that reads it. Marks are reads: what a backward
pass reads must live until then.</p>
${memoryFigure(profile, times)}
<script type="application/json" id="dispatches">${embedded(tips)}</script>`;
}

/** JSON that cannot end its script element. */
const embedded = (value: unknown): string => JSON.stringify(value).replaceAll('<', '\\u003c');

function warnings({ tickNs }: Profile): string {
  return tickNs >= COARSE_TICK
    ? `<p class="warning">Timestamps are multiples of ${escapeHtml(microseconds(tickNs))} here, longer than many dispatches: trust sums,
not single dispatches. Chrome measures finer when it is started with --enable-webgpu-developer-features.</p>`
    : '';
}

function headline(profile: Profile): string {
  const { step, dispatches, peaks, passNs } = profile;
  const total = sum(dispatches.map(({ ns }) => median(ns)));
  const share = (wanted: Direction): number =>
    sum(dispatches.filter(({ direction }) => direction === wanted).map(({ ns }) => median(ns))) / total;
  const again = share('recomputed');
  const flops = sum(dispatches.map((dispatch) => dispatch.flops));
  const items: [string, string, string][] = [
    [
      'Kernels',
      microseconds(median(step.kernels) * 1e6),
      `${dispatches.length} dispatches, median of ${step.kernels.length} runs`,
    ],
    ['Step by the clock', microseconds(median(step.clock) * 1e6), 'unprofiled, until the GPU has finished'],
    ['Coverage', percent(coverage(profile)), "fastest dispatches beside the GPU's fastest busy time"],
    ['Pass', microseconds(passNs), 'cost of timing a pass, subtracted from all times'],
    [
      'Backward',
      percent(share('backward')),
      again > 0 ? `and ${percent(again)} computed again` : 'of the kernels’ time',
    ],
    ['Rate', rateOf(flops / total, 'FLOP/s'), `of ${rateOf(peaks.f32 / 1e9, 'FLOP/s')} in f32`],
    ['Copies', rateOf(peaks.bytesPerSecond / 1e9, 'B/s'), 'measured peak, read and written'],
  ];
  const cells = items.map(
    ([name, value, note]) =>
      `<div><dt>${escapeHtml(name)}</dt><dd><b>${escapeHtml(value)}</b><span>${escapeHtml(note)}</span></dd></div>`,
  );
  return `<dl class="headline">${cells.join('')}</dl>`;
}
