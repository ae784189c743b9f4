/** Boxes over a picture, around what the evaluator found. */
import type { Sight } from '../engine/protocol.ts';
import { svgLabel, svgShape } from '../svg.ts';

/** Every object of the pocket models' pictures is so many cells wide and high. */
const CELLS = 3;

/** Draws a box with the object's name for each detection; none for null. The drawing's units are the picture's pixels. */
export function drawBoxes(drawing: SVGSVGElement, sight: Sight | null): void {
  drawing.replaceChildren();
  if (!sight) {
    return;
  }
  const { detections, config } = sight;
  const side = config.grid * config.cell;
  drawing.setAttribute('viewBox', `0 0 ${side} ${side}`);
  for (const { object, colour, x, y } of detections) {
    const box = CELLS * config.cell;
    const [left, top] = [x - box / 2, y - box / 2];
    const frame = { x: left + 0.5, y: top + 0.5, width: box - 1, height: box - 1, rx: 1.5 };
    drawing.append(svgShape('rect', { ...frame, class: 'halo' }), svgShape('rect', { ...frame, class: 'box' }));
    drawing.append(svgLabel(`${colour} ${object}`, { x: left + 1.5, y: Math.max(4, top + 4.6) }));
  }
}
