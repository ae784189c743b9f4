/** Draws the loss of every picture of a search from many noises: a dot for each noise, a line for each ascent. */
import { lossAxes } from '../loss_axes.ts';
import { lengthOf } from '../run/run_length.ts';
import type { ShownRun } from '../state/studio_state.ts';
import { svgShape } from '../svg.ts';
import type { Ascent } from './ascents_of.ts';

const PLOT = { left: 52, right: 710, top: 10, bottom: 150 };

/** The pictures stand in the order in which they were made. */
export function drawAscents(drawing: SVGSVGElement, run: ShownRun, ascents: readonly Ascent[]): void {
  const totals = run.frames.map(({ record }) => record.total);
  if (totals.length === 0) {
    drawing.replaceChildren();
    return;
  }
  const { x, y, shapes } = lossAxes(PLOT, totals, {
    last: Math.max(1, lengthOf(run.settings) - 1),
    room: 0.08,
    count: 7,
  });
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
  drawing.replaceChildren(...shapes, ...noises, ...lines);
}
