/** Draws frames on canvases, and makes PNG files of them. */
import type { ImageSize } from '../../reno/report/picture.ts';
import type { ShownFrame } from '../state/studio_state.ts';

type Drawn = Pick<ShownFrame, 'pixels'>;

/** Pictures below this side are shown with their pixels as squares. */
const SMALL = 256;

/** Draws a frame, or nothing, on a canvas, which takes its size. */
export function drawFrame(canvas: HTMLCanvasElement, frame: Drawn | undefined, size: ImageSize | null): void {
  canvas.width = size?.width ?? 1;
  canvas.height = size?.height ?? 1;
  canvas.classList.toggle('pixels', size !== null && Math.max(size.height, size.width) < SMALL);
  if (frame && size) {
    canvas.getContext('2d')?.putImageData(new ImageData(frame.pixels, size.width, size.height), 0, 0);
  }
}

/** Returns a frame as a PNG, each pixel `scale` × `scale` large. */
export function framePng(frame: Drawn, size: ImageSize, scale: number): Promise<Blob> {
  const small = document.createElement('canvas');
  drawFrame(small, frame, size);
  const large = document.createElement('canvas');
  large.width = size.width * scale;
  large.height = size.height * scale;
  const context = large.getContext('2d');
  if (context) {
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, large.width, large.height);
  }
  return canvasPng(large);
}

/** Returns what a canvas shows as a PNG. @throws Error, one sentence, where the browser makes none */
export function canvasPng(canvas: HTMLCanvasElement): Promise<Blob> {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('the browser made no PNG'))), 'image/png');
  });
}
