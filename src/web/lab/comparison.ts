/** Compares the first picture with the one that is looked at: on both sides of a cut, or by their difference. */
import { element } from '../elements.ts';
import { drawFrame } from '../share/draw_frame.ts';
import { shownFrame } from '../state/shown_frame.ts';
import type { Studio } from '../state/studio_state.ts';
import { beside, difference, meanDifference } from './pixels.ts';

const WAYS = [
  ['cut', 'before | after'],
  ['difference', 'difference'],
] as const;

export function mountComparison(studio: Studio): void {
  const canvas = element('compare', HTMLCanvasElement);
  const cut = element('compare-cut', HTMLInputElement);
  const how = element('compare-how', HTMLSelectElement);
  const note = element('compare-note', HTMLSpanElement);
  how.replaceChildren(...WAYS.map(([value, label]) => new Option(label, value)));
  const draw = (): void => {
    const { run } = studio.state;
    const [first, other] = [run?.frames[0], run && shownFrame(studio.state)];
    if (!run || !first || !other) {
      return;
    }
    cut.hidden = how.value !== 'cut';
    const pixels = cut.hidden
      ? difference(first.pixels, other.pixels)
      : beside(first.pixels, other.pixels, run.size, cut.valueAsNumber / 100);
    drawFrame(canvas, { pixels }, run.size);
    canvas.style.setProperty('--aspect', `${run.size.width} / ${run.size.height}`);
    const percent = (100 * meanDifference(first.pixels, other.pixels)).toFixed(1);
    note.textContent = `0 and ${other.iteration} differ by ${percent} %`;
  };
  cut.addEventListener('input', draw);
  how.addEventListener('change', draw);
  studio.watch(['run', 'shown'], draw);
}
