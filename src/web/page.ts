/** The elements of index.html, and the functions that write into them. */
import { drawPicture } from '../platform/browser/draw_picture.ts';
import { lineChart, short } from '../reno/chart.ts';
import type { IterationRecord } from '../reno/history.ts';
import { type ChartedRun, charts } from '../reno/report.ts';

function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) {
    throw new Error(`index.html has no ${type.name} with the id ${id}`);
  }
  return found;
}

export const page = {
  adapter: element('adapter', HTMLParagraphElement),
  notice: element('notice', HTMLParagraphElement),
  controls: element('controls', HTMLFormElement),
  prompt: element('prompt', HTMLInputElement),
  seed: element('seed', HTMLInputElement),
  iterations: element('iterations', HTMLInputElement),
  run: element('run', HTMLButtonElement),
  pause: element('pause', HTMLButtonElement),
  stop: element('stop', HTMLButtonElement),
  examples: element('examples', HTMLFieldSetElement),
  progress: element('progress', HTMLProgressElement),
  status: element('status', HTMLParagraphElement),
  charts: element('charts', HTMLDivElement),
  legend: element('legend', HTMLParagraphElement),
  downloads: element('downloads', HTMLParagraphElement),
};

/** The name of one of the three pictures. */
export type PictureName = 'init' | 'best' | 'now';

/** The state of the page, which style.css and the browser test read from the root element. */
type State = 'loading' | 'ready' | 'running' | 'paused' | 'unusable';

export function setState(state: State, status: string): void {
  document.documentElement.dataset.state = state;
  const running = state === 'running' || state === 'paused';
  page.status.textContent = status;
  page.run.disabled = state !== 'ready';
  page.pause.hidden = !running;
  page.stop.hidden = !running;
  page.pause.textContent = state === 'paused' ? 'Go on' : 'Pause';
}

export function showNotice(sentence: string | null): void {
  page.notice.hidden = sentence === null;
  page.notice.textContent = sentence ?? '';
}

/** @param pixels [height,width,3] in [0,1] */
export function showPicture(name: PictureName, pixels: Float32Array, height: number, width: number): void {
  drawPicture(element(name, HTMLCanvasElement), { pixels, height, width });
}

/** A picture as a PNG in a `data:` URI. */
export function toUri(pixels: Float32Array, height: number, width: number): string {
  const canvas = document.createElement('canvas');
  drawPicture(canvas, { pixels, height, width });
  return canvas.toDataURL('image/png');
}

/** Offers a file for download under the pictures; it replaces a file of the same name. */
export function offerDownload(label: string, name: string, blob: Blob): void {
  const before = page.downloads.querySelector<HTMLAnchorElement>(`a[download="${name}"]`);
  const link = before ?? document.createElement('a');
  URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.textContent = label;
  page.downloads.append(link);
}

/** Writes iteration and loss under a picture. */
export function showLoss(name: PictureName, record: IterationRecord): void {
  element(`${name}-loss`, HTMLOutputElement).textContent =
    `iteration ${record.iteration} · loss ${short(record.total)}`;
}

export function drawCurves(run: ChartedRun): void {
  page.charts.innerHTML = charts(run).map(lineChart).join('');
  page.legend.hidden = false;
}
