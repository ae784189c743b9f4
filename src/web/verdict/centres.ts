/** Dots over a picture, at the centres of what the evaluator found. */
import type { Sight } from '../engine/protocol.ts';
import { svgLabel, svgShape } from '../svg.ts';

const RADIUS = 2;
/** A label stands above its dot, this far from the picture's edges: at the sides half of a long name. */
const [ABOVE, FROM_TOP, FROM_SIDE] = [4, 5, 16];

/** Draws a dot with the object's name for each detection; none for null. The drawing's units are the picture's pixels. */
export function drawCentres(drawing: SVGSVGElement, sight: Sight | null): void {
  drawing.replaceChildren();
  if (!sight) {
    return;
  }
  const { detections, config } = sight;
  const side = config.grid * config.cell;
  drawing.setAttribute('viewBox', `0 0 ${side} ${side}`);
  for (const { object, colour, x, y } of detections) {
    drawing.append(svgShape('circle', { cx: x, cy: y, r: RADIUS, class: 'centre' }));
    const left = Math.min(Math.max(x, FROM_SIDE), side - FROM_SIDE);
    drawing.append(svgLabel(`${colour} ${object}`, { x: left, y: Math.max(FROM_TOP, y - ABOVE) }));
  }
}
