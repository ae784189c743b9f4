/** The scales of a drawing of losses, and their lines and numbers. */
import { short, ticks } from '../reno/report/chart.ts';
import { svgLabel, svgShape } from './svg.ts';

/** The part of a drawing that has the lines, in the drawing's units. */
interface Plot {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

interface LossAxes {
  readonly x: (position: number) => number;
  readonly y: (loss: number) => number;
  readonly shapes: readonly SVGElement[];
}

/**
 * Returns the axes of losses over the positions 0 … `last`.
 * @param losses at least one @param room the share of their range that stays free above and below
 * @param count the number of whole numbers below, about
 */
export function lossAxes(
  { left, right, top, bottom }: Plot,
  losses: readonly number[],
  { last, room, count }: { readonly last: number; readonly room: number; readonly count: number },
): LossAxes {
  const [low, high] = [Math.min(...losses), Math.max(...losses)];
  const margin = (high - low || Math.abs(high) || 1) * room;
  const x = (position: number): number => left + ((right - left) * position) / last;
  const y = (loss: number): number => bottom - ((bottom - top) * (loss - low + margin)) / (high - low + 2 * margin);
  const grid = ticks(low - margin, high + margin).flatMap((loss) => [
    svgShape('line', { class: 'grid', x1: left, x2: right, y1: y(loss), y2: y(loss) }),
    svgLabel(short(loss), { x: left - 8, y: y(loss) + 3.5, 'text-anchor': 'end' }),
  ]);
  const numbers = ticks(0, last, count)
    .filter(Number.isInteger)
    .map((position) => svgLabel(String(position), { x: x(position), y: bottom + 18, 'text-anchor': 'middle' }));
  return { x, y, shapes: [...grid, ...numbers] };
}
