/** A line over iterations as inline SVG: one series, an optional reference line, a mark at the best iteration. */
import { escapeHtml } from './html.ts';

export interface Chart {
  readonly title: string;
  /** A line under the title: which direction is better, or what the quantity is. */
  readonly note: string;
  readonly values: readonly number[];
  /** Position of the best iteration in `values`. */
  readonly best: number;
  /** A horizontal line to compare with, such as a Gaussian sample's norm. */
  readonly reference?: { readonly value: number; readonly label: string };
}

const WIDTH = 360;
const HEIGHT = 168;
const PLOT = { left: 52, right: 350, top: 10, bottom: 142 };

/** About `count` round numbers from `low` to `high`. */
export function ticks(low: number, high: number, count = 4): number[] {
  const span = high - low || Math.abs(high) || 1;
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough) ?? 10 * power;
  const first = Math.ceil(low / step - 1e-9);
  const out: number[] = [];
  for (let i = first; i * step <= high + step * 1e-9; i++) {
    out.push(Number((i * step).toPrecision(12)));
  }
  return out;
}

/** A number in up to four significant digits, without trailing zeros. */
export function short(value: number): string {
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5)) {
    return value.toExponential(1);
  }
  return String(Number(value.toPrecision(4)));
}

/** The chart as a `<figure>`; the report's script shows the value under the pointer. */
export function lineChart(chart: Chart): string {
  const { values, best, reference } = chart;
  const all = reference ? [...values, reference.value] : [...values];
  const low = Math.min(...all);
  const high = Math.max(...all);
  const margin = (high - low || Math.abs(high) || 1) * 0.06;
  const x = (i: number): number => PLOT.left + ((PLOT.right - PLOT.left) * i) / Math.max(1, values.length - 1);
  const y = (v: number): number =>
    PLOT.bottom - ((PLOT.bottom - PLOT.top) * (v - low + margin)) / (high - low + 2 * margin);
  const n = (v: number): string => v.toFixed(1);

  const grid = ticks(low - margin, high + margin).map(
    (v) =>
      `<line class="grid" x1="${PLOT.left}" x2="${PLOT.right}" y1="${n(y(v))}" y2="${n(y(v))}"/>` +
      `<text x="${PLOT.left - 8}" y="${n(y(v) + 3.5)}" text-anchor="end">${short(v)}</text>`,
  );
  const iterations = ticks(0, Math.max(1, values.length - 1), 5)
    .filter(Number.isInteger)
    .map((i) => `<text x="${n(x(i))}" y="${PLOT.bottom + 18}" text-anchor="middle">${i}</text>`);
  const compared = reference
    ? `<line class="reference" x1="${PLOT.left}" x2="${PLOT.right}" y1="${n(y(reference.value))}" y2="${n(y(reference.value))}"/>` +
      `<text class="reference-label" x="${PLOT.right}" y="${n(y(reference.value) - 5)}" text-anchor="end">${escapeHtml(reference.label)}</text>`
    : '';
  const points = values.map((v, i) => `${n(x(i))},${n(y(v))}`).join(' ');
  const atBest = values[best] ?? 0;
  const first = values[0] ?? 0;
  const label = `${chart.title}: ${short(first)} at iteration 0, ${short(atBest)} at the best iteration, ${best}`;
  const geometry = values.map((v, i) => [Number(n(x(i))), Number(n(y(v))), short(v)]);
  return `<figure class="chart" data-points='${escapeHtml(JSON.stringify(geometry))}'>
<figcaption><b>${escapeHtml(chart.title)}</b><span class="note">${escapeHtml(chart.note)}</span><span class="value">${short(first)} → ${short(atBest)}</span></figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(label)}">
${grid.join('')}${iterations.join('')}${compared}
<line class="best-line" x1="${n(x(best))}" x2="${n(x(best))}" y1="${PLOT.top}" y2="${PLOT.bottom}"/>
<polyline class="series" points="${points}"/>
<circle class="best-dot" cx="${n(x(best))}" cy="${n(y(atBest))}" r="4"/>
<circle class="cursor" r="4" cx="-9" cy="-9"/>
</svg></figure>`;
}
