/** Draws the lowest loss so far of two lanes over the work that each has done. */
import { short, ticks } from '../../reno/chart.ts';
import { at } from '../../tensor/types.ts';
import { svgLabel, svgShape } from '../svg.ts';

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
  const [low, high] = [Math.min(...losses), Math.max(...losses)];
  const margin = (high - low || Math.abs(high) || 1) * 0.06;
  const x = (work: number): number => PLOT.left + ((PLOT.right - PLOT.left) * work) / total;
  const y = (loss: number): number =>
    PLOT.bottom - ((PLOT.bottom - PLOT.top) * (loss - low + margin)) / (high - low + 2 * margin);
  const grid = ticks(low - margin, high + margin).flatMap((loss) => [
    svgShape('line', { class: 'grid', x1: PLOT.left, x2: PLOT.right, y1: y(loss), y2: y(loss) }),
    svgLabel(short(loss), { x: PLOT.left - 8, y: y(loss) + 3.5, 'text-anchor': 'end' }),
  ]);
  const works = ticks(0, total, 5)
    .filter(Number.isInteger)
    .map((work) => svgLabel(String(work), { x: x(work), y: PLOT.bottom + 18, 'text-anchor': 'middle' }));
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
  drawing.replaceChildren(...grid, ...works, ...curves);
}

/** A best value holds until the next one is found. */
function stairs(points: readonly Point[]): Point[] {
  return points.flatMap((point, i): Point[] => (i === 0 ? [point] : [[point[0], at(points, i - 1)[1]], point]));
}
