/** Ties the curves to the iteration that is looked at: a mark on each of them, and a click on any chooses another. */
import { element } from '../elements.ts';
import type { Studio } from '../state/studio_state.ts';

type Point = readonly [x: number, y: number, value: string];

function pointsOf(chart: Element): readonly Point[] {
  return JSON.parse((chart instanceof HTMLElement && chart.dataset.points) || '[]') as readonly Point[];
}

export function mountCursor(studio: Studio): void {
  const charts = element('charts', HTMLDivElement);
  let waits = false;
  const draw = (): void => {
    waits = false;
    const { run, shown } = studio.state;
    const at = run?.frames.findIndex(({ iteration }) => iteration === shown) ?? -1;
    for (const chart of charts.querySelectorAll('.chart')) {
      const [x, y] = pointsOf(chart)[at] ?? [-9, -9];
      const cursor = chart.querySelector('.cursor');
      cursor?.setAttribute('cx', String(x));
      cursor?.setAttribute('cy', String(y));
    }
  };
  studio.watch(['run', 'shown'], () => {
    if (!waits) {
      waits = true;
      requestAnimationFrame(draw); // After the curves, which draw themselves in the same way.
    }
  });

  const choose = (event: PointerEvent): void => {
    const chart = event.target instanceof Element ? event.target.closest('.chart') : null;
    const drawing = chart?.querySelector('svg');
    if (!chart || !drawing || (event.type === 'pointermove' && event.buttons === 0)) {
      return;
    }
    const box = drawing.getBoundingClientRect();
    const x = ((event.clientX - box.left) * drawing.viewBox.baseVal.width) / box.width;
    const points = pointsOf(chart);
    const nearest = points.reduce(
      (best, point, i) => (Math.abs(point[0] - x) < Math.abs((points[best]?.[0] ?? 0) - x) ? i : best),
      0,
    );
    const frame = studio.state.run?.frames[nearest];
    if (frame) {
      studio.change({ shown: frame.iteration });
    }
  };
  charts.addEventListener('pointerdown', choose);
  charts.addEventListener('pointermove', choose);
}
