/** Draws the lowest loss so far of two lanes over the work that each has done. */
import { at } from '../../tensor/types.ts';
import { lossAxes } from '../loss_axes.ts';
import { svgShape } from '../svg.ts';

const PLOT = { left: 52, right: 350, top: 10, bottom: 168 };

/** The losses of two lanes, in their order. */
interface Course {
  /** The work of a whole lane, in pictures. */
  readonly total: number;
  readonly reno: readonly number[];
  /** The work of the run's first iterations, in pictures. */
  readonly workOf: (count: number) => number;
  readonly other: readonly number[];
}

/** The work after an iteration or a picture, and the lowest loss until then. */
type Point = readonly [work: number, loss: number];

/** Returns the lowest value up to each place. */
export function lowestSoFar(values: readonly number[]): number[] {
  let low = Number.POSITIVE_INFINITY;
  return values.map((value) => {
    low = Math.min(low, value);
    return low;
  });
}

export function drawCourse(drawing: SVGSVGElement, { total, reno, workOf, other }: Course): void {
  const lines = {
    other: lowestSoFar(other).map((loss, i): Point => [i + 1, loss]),
    reno: lowestSoFar(reno).map((loss, i): Point => [workOf(i + 1), loss]),
  };
  const losses = [...lines.other, ...lines.reno].map(([, loss]) => loss);
  if (losses.length === 0) {
    drawing.replaceChildren();
    return;
  }
  const { x, y, shapes } = lossAxes(PLOT, losses, { last: total, room: 0.06, count: 5 });
  const curves = (['other', 'reno'] as const).flatMap((name) => {
    const points = lines[name];
    const last = points.at(-1);
    return last
      ? [
          svgShape('polyline', {
            class: `line ${name}`,
            points: stairs(points)
              .map(([w, l]) => `${x(w)},${y(l)}`)
              .join(' '),
          }),
          svgShape('circle', { class: `dot ${name}`, cx: x(last[0]), cy: y(last[1]), r: 4 }),
        ]
      : [];
  });
  drawing.replaceChildren(...shapes, ...curves);
}

/** A best value holds until the next one is found. */
function stairs(points: readonly Point[]): Point[] {
  return points.flatMap((point, i): Point[] => (i === 0 ? [point] : [[point[0], at(points, i - 1)[1]], point]));
}
