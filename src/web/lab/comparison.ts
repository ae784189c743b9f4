/** Compares the first picture with the one that is looked at: on both sides of a cut, or by their difference. */
import { element } from '../elements.ts';
import type { ShownRun, Studio } from '../state/studio_state.ts';
import { beside, difference, meanDifference } from './pixels.ts';
import { shownFrame } from './shown_frame.ts';

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
    paint(
      canvas,
      run,
      cut.hidden
        ? difference(first.pixels, other.pixels)
        : beside(first.pixels, other.pixels, run.size, cut.valueAsNumber / 100),
    );
    const percent = (100 * meanDifference(first.pixels, other.pixels)).toFixed(1);
    note.textContent = `0 and ${other.iteration} differ by ${percent} %`;
  };
  cut.addEventListener('input', draw);
  how.addEventListener('change', draw);
  studio.watch(['run', 'shown'], draw);
}

function paint(canvas: HTMLCanvasElement, { size }: ShownRun, pixels: Uint8ClampedArray<ArrayBuffer>): void {
  canvas.width = size.width;
  canvas.height = size.height;
  canvas.classList.toggle('pixels', Math.max(size.height, size.width) < 256);
  canvas.style.setProperty('--aspect', `${size.width} / ${size.height}`);
  canvas.getContext('2d')?.putImageData(new ImageData(pixels, size.width, size.height), 0, 0);
}
