/** Draws the loss of every picture of a search from many noises: a dot for each noise, a line for each ascent. */
import { short, ticks } from '../../reno/chart.ts';
import { lengthOf } from '../run/run_length.ts';
import type { ShownRun } from '../state/studio_state.ts';
import { svgLabel, svgShape } from '../svg.ts';
import type { Ascent } from './ascents_of.ts';

const PLOT = { left: 52, right: 710, top: 10, bottom: 150 };

/** The pictures stand in the order in which they were made. */
export function drawAscents(drawing: SVGSVGElement, run: ShownRun, ascents: readonly Ascent[]): void {
  const totals = run.frames.map(({ record }) => record.total);
  if (totals.length === 0) {
    drawing.replaceChildren();
    return;
  }
  const [low, high] = [Math.min(...totals), Math.max(...totals)];
  const margin = (high - low || Math.abs(high) || 1) * 0.08;
  const last = Math.max(1, lengthOf(run.settings) - 1);
  const x = (iteration: number): number => PLOT.left + ((PLOT.right - PLOT.left) * iteration) / last;
  const y = (loss: number): number =>
    PLOT.bottom - ((PLOT.bottom - PLOT.top) * (loss - low + margin)) / (high - low + 2 * margin);
  const grid = ticks(low - margin, high + margin).flatMap((loss) => [
    svgShape('line', { class: 'grid', x1: PLOT.left, x2: PLOT.right, y1: y(loss), y2: y(loss) }),
    svgLabel(short(loss), { x: PLOT.left - 8, y: y(loss) + 3.5, 'text-anchor': 'end' }),
  ]);
  const numbers = ticks(0, last, 7)
    .filter(Number.isInteger)
    .map((i) => svgLabel(String(i), { x: x(i), y: PLOT.bottom + 18, 'text-anchor': 'middle' }));
  const chosen = new Set(ascents.map(({ draw }) => draw));
  const noises = run.frames
    .filter(({ record }) => record.chain === undefined)
    .map(({ iteration, record }) =>
      svgShape('circle', {
        class: chosen.has(record.draw ?? -1) ? 'noise chosen' : 'noise',
        cx: x(iteration),
        cy: y(record.total),
        r: 3.5,
      }),
    );
  const lines = ascents.flatMap(({ frames, best }) => [
    svgShape('polyline', {
      class: 'line',
      points: frames.map(({ iteration, record }) => `${x(iteration)},${y(record.total)}`).join(' '),
    }),
    svgShape('circle', { class: 'dot', cx: x(best.iteration), cy: y(best.record.total), r: 4 }),
  ]);
  drawing.replaceChildren(...grid, ...numbers, ...noises, ...lines);
}
