/** The pictures of the run that is shown: the first, the best so far, and the newest (or the one that is looked at). */
import { short } from '../../reno/report/chart.ts';
import type { ImageSize } from '../../reno/report/picture.ts';
import { element } from '../elements.ts';
import { drawFrame } from '../share/draw_frame.ts';
import { shownFrame } from '../state/shown_frame.ts';
import type { ShownFrame, Studio } from '../state/studio_state.ts';

type PictureName = 'init' | 'best' | 'now';

export function mountPictures(studio: Studio): void {
  const section = element('pictures', HTMLElement);
  studio.watch(['run', 'shown'], (state) => {
    const { run } = state;
    const size = run?.size ?? null;
    show('init', run?.frames[0], size);
    show('best', run?.frames[run.best], size);
    show('now', shownFrame(state), size);
    if (size) {
      section.style.setProperty('--aspect', `${size.width} / ${size.height}`);
    }
  });
  // The form may be on the screen alone: the pictures must be seen when a run starts.
  studio.watch(['phase'], ({ phase }) => {
    const { top, bottom } = section.getBoundingClientRect();
    if (phase === 'running' && (top < 0 || bottom > innerHeight)) {
      const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
      // Just so far: Pause stands beside Run.
      section.scrollIntoView({ block: 'nearest', behavior: calm ? 'auto' : 'smooth' });
    }
  });
}

/** The frame on each canvas: a canvas is drawn again only when its frame changes. */
const drawn = new Map<PictureName, ShownFrame | undefined>();

function show(name: PictureName, frame: ShownFrame | undefined, size: ImageSize | null): void {
  if (drawn.has(name) && drawn.get(name) === frame) {
    return;
  }
  drawn.set(name, frame);
  const canvas = element(name, HTMLCanvasElement);
  drawFrame(canvas, frame, size);
  element(`${name}-loss`, HTMLSpanElement).textContent = frame
    ? `iteration ${frame.iteration} · loss ${short(frame.record.total)}`
    : '';
}
