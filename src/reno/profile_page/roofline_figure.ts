/** Kernels by FLOP for each byte and FLOP/s, on logarithmic axes, under the adapter's measured peaks (Williams et al., 2009, "Roofline"). */
import { type ProfileRow, profileRows } from '../../tensor/profile/group_rows.ts';
import type { Profile } from '../../tensor/profile/profile.ts';
import { escapeHtml } from '../report/html.ts';
import { dispatchCount, microseconds, percent, rateOf } from './profile_figures.ts';

const WIDTH = 1000;
const HEIGHT = 460;
const PLOT = { left: 84, right: 980, top: 16, bottom: 410 };
/** Kernels with names in the plot. */
const NAMED = 8;
/** Kernels that are slower than the peak by more than this factor lie on the lower edge. */
const DEEPEST = 1e4;
/** Area of the circle of all time, in square units. */
const AREA = 12000;

export function rooflineFigure(profile: Profile): string {
  const { peaks } = profile;
  const rows = profileRows(profile, 'kernel', 1).filter(({ gflops, intensity }) => gflops > 0 && intensity > 0);
  const bandwidth = peaks.bytesPerSecond / 1e9;
  const ceilings = [
    { name: 'f32', gflops: peaks.f32 / 1e9 },
    ...(peaks.matrix === null ? [] : [{ name: 'matrix units', gflops: peaks.matrix / 1e9 }]),
  ];
  const highest = Math.max(...ceilings.map(({ gflops }) => gflops));
  const scale = scales(rows, highest, bandwidth);
  const { x, y } = scale;
  const lines = ceilings.map(({ name, gflops }) => {
    const ridge = gflops / bandwidth;
    const points = `${x(scale.x0)},${y(scale.x0 * bandwidth)} ${x(ridge)},${y(gflops)} ${x(scale.x1)},${y(gflops)}`;
    return `<polyline class="roof" points="${points}"/><text x="${PLOT.right}" y="${y(gflops) - 6}" text-anchor="end">${name}: ${rateOf(gflops, 'FLOP/s')}</text>`;
  });
  const slope = `<text x="${x(scale.x0) + 6}" y="${Math.max(PLOT.top + 12, y(scale.x0 * bandwidth) - 8)}">copies: ${rateOf(bandwidth, 'B/s')}</text>`;
  const circles = rows.map((row) => {
    const r = Math.max(2.5, Math.sqrt((AREA * row.share) / Math.PI));
    return `<circle class="kernel" cx="${x(row.intensity)}" cy="${y(row.gflops)}" r="${r.toFixed(1)}" data-tip="${escapeHtml(tipOf(row))}"/>`;
  });
  const label = `Roofline of ${rows.length} kernels: peaks ${ceilings.map((c) => `${c.name} ${rateOf(c.gflops, 'FLOP/s')}`).join(', ')}, ${rateOf(bandwidth, 'B/s')}`;
  return `<figure class="plot"><div class="tools"><output aria-live="polite"></output></div>
<div class="view" tabindex="0" role="group" aria-label="${escapeHtml(label)}"><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(label)}">
${scale.axes}${lines.join('')}${slope}${circles.join('\n')}${names(rows, x, y)}
</svg></div></figure>`;
}

const tipOf = (row: ProfileRow): string =>
  `${row.key} · ${dispatchCount(row.count)} · ${microseconds(row.us * 1000)} · ${percent(row.share)} of the time · ${rateOf(row.gflops, 'FLOP/s')} · ${Number(row.intensity.toPrecision(3))} FLOP/byte · ${percent(row.rooflineShare)} of the roofline`;

type Axis = (value: number) => number;

/** The names of the slowest kernels, each moved down until it covers no other. */
function names(rows: readonly ProfileRow[], x: Axis, y: Axis): string {
  const taken: { left: number; right: number; y: number }[] = [];
  return rows
    .slice(0, NAMED)
    .map(({ key, intensity, gflops }) => {
      const width = key.length * 6.2;
      const left = Math.min(x(intensity) + 8, PLOT.right - width);
      let top = y(gflops) + 4;
      const hides = (): boolean =>
        taken.some((t) => Math.abs(t.y - top) < 13 && left < t.right && left + width > t.left);
      while (hides() && top < PLOT.bottom - 6) {
        top += 13;
      }
      taken.push({ left, right: left + width, y: top });
      return `<text class="name" x="${left.toFixed(1)}" y="${top.toFixed(1)}">${escapeHtml(key)}</text>`;
    })
    .join('');
}

function scales(rows: readonly ProfileRow[], highest: number, bandwidth: number) {
  const power = (value: number, round: (v: number) => number): number => 10 ** round(Math.log10(value));
  const x0 = power(Math.min(0.1, ...rows.map((row) => row.intensity)), Math.floor);
  const x1 = power(Math.max(2 * (highest / bandwidth), ...rows.map((row) => row.intensity)), Math.ceil);
  const y0 = power(Math.max(highest / DEEPEST, Math.min(0.1 * highest, ...rows.map((row) => row.gflops))), Math.floor);
  const y1 = 2 * Math.max(highest, ...rows.map((row) => row.gflops));
  const axis =
    (low: number, high: number, from: number, to: number): Axis =>
    (value) =>
      Number((from + ((to - from) * Math.log(Math.max(value, low) / low)) / Math.log(high / low)).toFixed(1));
  const x = axis(x0, x1, PLOT.left, PLOT.right);
  const y = axis(y0, y1, PLOT.bottom, PLOT.top);
  const vertical = powers(x0, x1).map(
    (v) =>
      `<line class="grid" x1="${x(v)}" x2="${x(v)}" y1="${PLOT.top}" y2="${PLOT.bottom}"/><text x="${x(v)}" y="${PLOT.bottom + 18}" text-anchor="middle">${v}</text>`,
  );
  const horizontal = powers(y0, y1).map(
    (v) =>
      `<line class="grid" x1="${PLOT.left}" x2="${PLOT.right}" y1="${y(v)}" y2="${y(v)}"/><text x="${PLOT.left - 8}" y="${y(v) + 4}" text-anchor="end">${v}</text>`,
  );
  const titles = `<text x="${(PLOT.left + PLOT.right) / 2}" y="${HEIGHT - 8}" text-anchor="middle">FLOP for each byte</text>
<text transform="translate(16 ${(PLOT.top + PLOT.bottom) / 2}) rotate(-90)" text-anchor="middle">GFLOP/s</text>`;
  return { x, y, x0, x1, axes: `${vertical.join('')}${horizontal.join('')}${titles}` };
}

/** The powers of ten from `low` to `high`. */
function powers(low: number, high: number): number[] {
  const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  return Array.from({ length: last - first + 1 }, (_, i) => Number((10 ** (first + i)).toPrecision(6)));
}
